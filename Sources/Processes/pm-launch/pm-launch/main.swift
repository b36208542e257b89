import Glibc
import PMLaunch

exit(Launch.run(CommandLine.arguments))
