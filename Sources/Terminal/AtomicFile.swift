import Glibc

/// Writing a whole file so that its final name never shows half of it: temporary name in the same folder, sync, rename.
public enum AtomicFile {
  /// Refuses early what `write` would refuse after the work: an existing file without `force`, a device or a folder in any case.
  public static func check(_ path: String, force: Bool) throws(CommandError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    // A rename would put a file where a device or a folder was.
    guard status.st_mode & S_IFMT == S_IFREG else { throw CommandError("is not a regular file", at: path, advice: "give a file name") }
    if !force { throw exists(path) }
  }

  /// An existing file is replaced only with `force`.
  public static func write(_ text: String, to path: String, force: Bool) throws(CommandError) {
    let file = try AtomicWriter(path, force: force)
    try file.append(text)
    try file.commit()
  }

  fileprivate static func publish(_ temporary: String, as path: String, force: Bool) throws(CommandError) {
    // link fails where rename would silently replace a file that appeared in the meantime.
    if !force, link(temporary, path) == 0 {
      unlink(temporary)
      return
    }
    if !force, errno == EEXIST { throw exists(path) }
    guard rename(temporary, path) == 0 else { throw failure("write", path, errno) }
  }

  /// Makes the new name itself survive a power cut; a file system that cannot is no reason to fail.
  fileprivate static func syncFolder(of path: String) {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  private static func exists(_ path: String) -> CommandError {
    CommandError("the output exists already", at: path, advice: "--force replaces it")
  }

  fileprivate static func failure(_ verb: String, _ path: String, _ code: Int32) -> CommandError {
    CommandError("cannot \(verb) the file: \(String(cString: strerror(code)))", at: path)
  }
}

/// The same for a file that is written bit by bit. Without `commit` nothing is left of it.
public final class AtomicWriter {
  private let path: String
  private let temporary: String
  private let force: Bool
  private var descriptor: Int32

  public init(_ path: String, force: Bool) throws(CommandError) {
    try AtomicFile.check(path, force: force)
    (self.path, temporary, self.force) = (path, "\(path).\(getpid()).tmp", force)
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw AtomicFile.failure("create", path, errno) }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporary)
  }

  public func append(_ text: String) throws(CommandError) {
    let code = Output.send(text, to: descriptor)
    guard code == 0 else { throw AtomicFile.failure("write", path, code) }
  }

  /// Gives the file its name.
  public func commit() throws(CommandError) {
    guard fsync(descriptor) == 0 else { throw AtomicFile.failure("write", path, errno) }
    let closing = descriptor
    descriptor = -1
    guard close(closing) == 0 else {
      let code = errno
      unlink(temporary)
      throw AtomicFile.failure("write", path, code)
    }
    do throws(CommandError) { try AtomicFile.publish(temporary, as: path, force: force) } catch {
      unlink(temporary)
      throw error
    }
    AtomicFile.syncFolder(of: path)
  }
}
