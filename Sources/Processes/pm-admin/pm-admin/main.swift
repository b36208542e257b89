import PMAdmin
import PMSystem

exitProcess(AdminProcess.run(arguments: Array(CommandLine.arguments.dropFirst())))
