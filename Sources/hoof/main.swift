import Glibc
import Terminal

Interrupt.ignoreClosedPipes()
MappedFiles.explainTruncation()
exit(Program.run(Array(CommandLine.arguments.dropFirst())))
