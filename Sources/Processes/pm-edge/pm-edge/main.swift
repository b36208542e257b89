import PMEdge
import PMSystem

exitProcess(Edge.run(arguments: Array(CommandLine.arguments.dropFirst())))
