// Throws mutated inputs at every parser: hoof-fuzz [INPUTS [SEED [TARGET [FIRST]]]]. Meant to be built with the address sanitizer
// (benchmarks/fuzz.sh). A crash names target, seed and index; the same arguments with FIRST = index and INPUTS = 1 repeat it.
import Fuzzing
import Glibc
import Synchronization

/// What is being tried, for the report of a crash.
let currentTarget = Atomic(0)
let currentIndex = Atomic(0)

func argument(_ index: Int) -> String? { CommandLine.arguments.count > index ? CommandLine.arguments[index] : nil }

let inputs = argument(1).flatMap { Int($0) } ?? 100_000
let seed = argument(2).flatMap { UInt64($0) } ?? 1
let only = argument(3)
let first = argument(4).flatMap { Int($0) } ?? 0

var template = Array("/tmp/hoof-fuzz-XXXXXX".utf8CString)
guard mkdtemp(&template) != nil else {
  perror("hoof-fuzz: no temporary folder")
  exit(1)
}
let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
defer { system("rm -r '\(folder)'") }

for code in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE] {
  signal(code) { code in
    let text =
      "hoof-fuzz: signal \(code) in target \(currentTarget.load(ordering: .relaxed)), index \(currentIndex.load(ordering: .relaxed))\n"
    _ = text.withCString { write(2, $0, strlen($0)) }
    signal(code, SIG_DFL)
    raise(code)
  }
}

do {
  for (number, target) in try FuzzTarget.all(in: folder).enumerated() where only == nil || only == target.name {
    currentTarget.store(number, ordering: .relaxed)
    let accepted = target.run(first..<first + inputs, seed: seed) { currentIndex.store($0, ordering: .relaxed) }
    print("\(number) \(target.name): \(inputs) inputs, \(accepted) accepted, \(inputs - accepted) refused, seed \(seed)")
  }
} catch {
  print("hoof-fuzz: \(error)")
  exit(1)
}
