import Glibc
import PMCommand

exit(PMCommand.run(CommandLine.arguments))
