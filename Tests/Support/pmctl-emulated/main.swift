import EmulatedAppliance
import PMCommand
import PMSystem

exitProcess(PMCommand.run(CommandLine.arguments, world: try EmulatedWorld.make()))
