import Formats
import Glibc
import Terminal

Interrupt.ignoreClosedPipes()
MappedFiles.explainTruncation()
exit(Program.run(OwnExecutable.words))
