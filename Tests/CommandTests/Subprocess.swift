import Glibc
import TestSupport

/// Runs the built `hoof` beside the test bundle.
struct Subprocess {
  let status: Int32
  let output: String
  let errors: String

  static let binary: String = {
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let own = String(decoding: buffer.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/") + "/hoof"
  }()

  /// Standard streams go through files, so that no amount of output can block. `environment` is added to a clean one.
  static func hoof(_ words: [String], input: String = "", environment: [String: String] = [:]) -> Subprocess {
    run(binary, words, input: input, environment: environment)
  }

  /// A shell line in which $HOOF is the program.
  static func shell(_ line: String) -> Subprocess { run("/bin/sh", ["-c", line], input: "", environment: ["HOOF": binary]) }

  private static func run(_ program: String, _ words: [String], input: String, environment: [String: String]) -> Subprocess {
    do {
      let folder = try TemporaryFolder()
      try folder.write("in", input)
      var actions = posix_spawn_file_actions_t()
      posix_spawn_file_actions_init(&actions)
      defer { posix_spawn_file_actions_destroy(&actions) }
      posix_spawn_file_actions_addopen(&actions, 0, folder.file("in"), O_RDONLY, 0)
      posix_spawn_file_actions_addopen(&actions, 1, folder.file("out"), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      posix_spawn_file_actions_addopen(&actions, 2, folder.file("err"), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      let status = spawn(program, words, &actions, environment)
      return Subprocess(
        status: status, output: try TestFiles.text(folder.file("out")), errors: try TestFiles.text(folder.file("err")))
    } catch { return Subprocess(status: -1, output: "", errors: "not started: \(error)") }
  }

  private static func spawn(
    _ program: String, _ words: [String], _ actions: inout posix_spawn_file_actions_t, _ environment: [String: String]
  ) -> Int32 {
    var arguments = ([program] + words).map { strdup($0) } + [nil]
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin"
    let pairs = environment.map { "\($0)=\($1)" }
    var variables = (["PATH=\(path)"] + pairs).map { strdup($0) } + [nil]
    defer { for pointer in arguments + variables { free(pointer) } }
    var process = pid_t()
    // Tests run on threads that have signals blocked, which a program would inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    guard posix_spawn(&process, program, &actions, &attributes, &arguments, &variables) == 0 else { return -1 }
    var state: Int32 = 0
    while waitpid(process, &state, 0) < 0, errno == EINTR {}
    return state & 0x7f == 0 ? state >> 8 & 0xff : 128 + state & 0x7f
  }
}
