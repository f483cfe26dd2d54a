import Glibc

/// Writing a whole file so that its final name never shows half of it: temporary name in the same folder, sync, rename.
public enum AtomicFile {
  /// Refuses early what `write` would refuse after the work: an existing file without `force`.
  public static func check(_ path: String, force: Bool) throws(CommandError) {
    if !force, access(path, F_OK) == 0 { throw exists(path) }
  }

  /// An existing file is replaced only with `force`.
  public static func write(_ text: String, to path: String, force: Bool) throws(CommandError) {
    try check(path, force: force)
    let temporary = "\(path).\(getpid()).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw failure("create", path, errno) }
    var isOpen = true
    var isComplete = false
    defer {
      if isOpen { close(descriptor) }
      if !isComplete { unlink(temporary) }
    }
    let code = Output.send(text, to: descriptor)
    guard code == 0 else { throw failure("write", path, code) }
    guard fsync(descriptor) == 0 else { throw failure("write", path, errno) }
    isOpen = false
    guard close(descriptor) == 0 else { throw failure("write", path, errno) }
    try publish(temporary, as: path, force: force)
    isComplete = true
    syncFolder(of: path)
  }

  private static func publish(_ temporary: String, as path: String, force: Bool) throws(CommandError) {
    // link fails where rename would silently replace a file that appeared in the meantime.
    if !force, link(temporary, path) == 0 {
      unlink(temporary)
      return
    }
    if !force, errno == EEXIST { throw exists(path) }
    guard rename(temporary, path) == 0 else { throw failure("write", path, errno) }
  }

  /// Makes the new name itself survive a power cut; a file system that cannot is no reason to fail.
  private static func syncFolder(of path: String) {
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

  private static func failure(_ verb: String, _ path: String, _ code: Int32) -> CommandError {
    CommandError("cannot \(verb) the file: \(String(cString: strerror(code)))", at: path)
  }
}
