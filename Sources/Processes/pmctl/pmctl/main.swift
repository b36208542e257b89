import PMCommand
import PMSystem

exitProcess(PMCommand.run(CommandLine.arguments))
