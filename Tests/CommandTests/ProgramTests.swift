import Glibc
import JSON
import Terminal
import Testing
import TestSupport

struct ProgramTests {
  @Test("hoof, hoof help, --help and --version answer on standard output with exit code 0")
  func help() {
    for words in [[], ["help"], ["--help"], ["help", "backends"], ["backends", "--help"], ["--version"]] {
      let run = Subprocess.hoof(words)
      #expect(run.status == 0 && run.errors.isEmpty && run.output.contains("hoof"), "\(words)")
    }
  }

  @Test("every command of the overview has help with an example")
  func examples() {
    let overview = Subprocess.hoof([]).output
    let names = overview.split(separator: "\n").drop { !$0.hasPrefix("Commands:") }.dropFirst().prefix { $0.hasPrefix("  ") }
      .filter { !$0.hasPrefix("    ") }.map { String($0.split(separator: " ")[0]) }
    #expect(names.contains("backends"))
    for name in names {
      let text = Subprocess.hoof([name, "--help"]).output
      #expect(text.contains("Example") && text.contains("  hoof \(name)"), "\(name)")
    }
  }

  @Test("usage errors exit with 2, say so on standard error only, and suggest the nearest name")
  func usage() {
    let unknown = Subprocess.hoof(["backend"])
    #expect(unknown.status == 2 && unknown.output.isEmpty)
    #expect(unknown.errors.contains("there is no command 'backend'; did you mean 'backends'?"))
    let flag = Subprocess.hoof(["backends", "--jsn"])
    #expect(flag.status == 2 && flag.errors.contains("--jsn; did you mean --json?"))
    #expect(Subprocess.hoof(["backends"], environment: ["HOOF_THREADS": "many"]).status == 2)
    #expect(Subprocess.hoof(["backends", "--seed", "1"]).status == 2, "an option the command does not use")
  }

  @Test("hoof backends lists every backend with its memory or the reason it is refused")
  func backends() throws {
    let run = Subprocess.hoof(["backends", "--json", "--threads", "1"])
    #expect(run.status == 0)
    let entries = try #require(try JSON(parsing: run.output).array)
    #expect(entries.map { $0["name"]?.string } == ["cuda", "cpu"])
    for entry in entries where entry["available"]?.bool == false { #expect(entry["reason"]?.string?.isEmpty == false) }
    let cpu = entries[1]
    #expect(cpu["available"]?.bool == true && cpu["threads"]?.int == 1)
    #expect(try #require(cpu["memory_total"]?.int) >= (try #require(cpu["memory_free"]?.int)))
    #expect(cpu["blas_kernel"]?.string?.hasPrefix("OpenBLAS ") == true)
    #expect(["scalar", "avx2", "avx512", "avx512-vnni"].contains(cpu["simd"]?.string))
  }

  @Test("a full output is an error, a reader who left is not")
  func closedOutput() {
    let full = Subprocess.shell("\"$HOOF\" backends > /dev/full")
    #expect(full.status == 1 && full.errors.contains("No space left"))
    let left = Subprocess.shell("(sleep 0.3; \"$HOOF\" backends; echo $? >&2) | true")
    #expect(left.errors == "0\n")
  }
}

struct AtomicFileTests {
  @Test("an existing file is replaced only when asked, and no temporary file stays")
  func replace() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path
    try AtomicFile.write("one", to: "\(folder)/a", force: false)
    #expect(throws: CommandError("the output exists already", at: "\(folder)/a", advice: "--force replaces it")) {
      try AtomicFile.write("two", to: "\(folder)/a", force: false)
    }
    #expect(try TestFiles.text("\(folder)/a") == "one")
    try AtomicFile.write("two", to: "\(folder)/a", force: true)
    #expect(try TestFiles.text("\(folder)/a") == "two")
    #expect(throws: CommandError.self) { try AtomicFile.write("x", to: "\(folder)/none/a", force: false) }
    // Not even with --force: a rename would put a file where the device was.
    #expect(throws: CommandError.self) { try AtomicFile.check("/dev/null", force: true) }
    #expect(throws: CommandError.self) { try AtomicFile.check(folder, force: true) }
    #expect(scratch.names() == ["a"])
  }

  @Test("messages stay on one line whatever a file is called")
  func oneLine() {
    #expect(CommandError("no\u{1B}[31m", at: "a\nb", advice: "c").description == "no\\u{1b}[31m, a\\nb, c")
  }
}
