import PMCore
import PMSystem

exitProcess(Core.run(arguments: Array(CommandLine.arguments.dropFirst())))
