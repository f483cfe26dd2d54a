import Glibc
import Terminal

Interrupt.ignoreClosedPipes()
exit(Program.run(Array(CommandLine.arguments.dropFirst())))
