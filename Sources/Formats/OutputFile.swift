import CKernels
import Glibc
import Synchronization

/// A file that appears under its name only when it is complete. Until `commit` it has no name at all where the file system allows that
/// (O_TMPFILE), so even a killed process leaves nothing behind; elsewhere it is a hidden file in the same folder, removed on error.
public final class OutputFile: Sendable {
  public let path: String
  private let folder: String
  private let descriptor: Int32
  /// The hidden name; nil while the file has none.
  private let temporary: String?
  private let replaces: Bool
  private let isCommitted = Atomic(false)

  /// - Parameters:
  ///   - byteCount: space that is claimed at once, so that a full disk is noticed before the work is done.
  ///   - replacing: whether a file of this name may be there already.
  ///   - executable: whether it is a program.
  public convenience init(path: String, byteCount: Int, replacing: Bool, executable: Bool = false) throws(FormatError) {
    try self.init(path: path, byteCount: byteCount, replacing: replacing, executable: executable, mayBeUnnamed: true)
  }

  /// - Parameter mayBeUnnamed: false acts as on a file system without O_TMPFILE.
  init(path: String, byteCount: Int, replacing: Bool, executable: Bool = false, mayBeUnnamed: Bool) throws(FormatError) {
    self.path = path
    folder = parentFolder(of: path)
    replaces = replacing
    try OutputFile.check(path, replacing: replacing)
    let mode: mode_t = executable ? 0o777 : 0o666
    let unnamed = mayBeUnnamed ? OutputFile.openUnnamed(in: folder, mode) : nil
    if let unnamed {
      (descriptor, temporary) = (unnamed, nil)
    } else {
      let name = OutputFile.hiddenName(for: path, in: folder)
      let opened = Glibc.open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)
      guard opened >= 0 else { throw FormatError(path, nil, "cannot be written: \(systemReason(errno))") }
      (descriptor, temporary) = (opened, name)
    }
    // File systems that cannot reserve say so with another code; then the writes themselves find out.
    let refusal = hoof_file_reserve(descriptor, Int64(max(byteCount, 1)))
    if [ENOSPC, EDQUOT, EFBIG].contains(refusal) {
      throw FormatError(path, nil, "cannot be written: \(byteCount >> 20) MiB are needed: \(systemReason(refusal))")
    }
    if ftruncate(descriptor, byteCount) != 0 { throw FormatError(path, nil, "cannot be written: \(systemReason(errno))") }
  }

  deinit {
    close(descriptor)
    if let temporary, !isCommitted.load(ordering: .relaxed) { unlink(temporary) }
  }

  /// Refuses what `init` would, for who wants to know before long work.
  public static func check(_ path: String, replacing: Bool) throws(FormatError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    if status.st_mode & S_IFMT == S_IFDIR { throw FormatError(path, nil, "is a folder; give a file name") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FormatError(path, nil, "is not a regular file") }
    guard replacing else { throw FormatError(path, nil, "exists already; --force replaces it") }
  }

  private static func openUnnamed(in folder: String, _ mode: mode_t) -> Int32? {
    // A file without a name gets one through /proc.
    guard access("/proc/self/fd", X_OK) == 0 else { return nil }
    let temporaryFile: Int32 = 0o20_000_000 | O_DIRECTORY  // O_TMPFILE, which Swift does not import
    let descriptor = Glibc.open(folder, temporaryFile | O_RDWR | O_CLOEXEC, mode)
    return descriptor >= 0 ? descriptor : nil
  }

  private static func hiddenName(for path: String, in folder: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? "out"
    return "\(folder)/.\(name.prefix(100)).\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 36)).tmp"
  }

  /// May be called from several threads for different places.
  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FormatError) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw FormatError(path, nil, "cannot be written: \(count == 0 ? "no progress" : systemReason(errno))") }
      done += count
    }
  }

  public func write(_ bytes: [UInt8], at offset: Int) throws(FormatError) {
    try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in try write(UnsafeRawBufferPointer(buffer), at: offset) }
  }

  /// Asks the system to start writing this part to disk, so that `commit` has less to wait for.
  func startFlush(_ range: Range<Int>) { _ = hoof_file_start_flush(descriptor, Int64(range.lowerBound), Int64(range.count)) }

  /// Makes the file durable and gives it its name; to be called once, when everything is written.
  /// - Parameter synced: false leaves the time of writing to the system, for files that can be made again.
  public func commit(synced: Bool = true) throws(FormatError) {
    guard !synced || fsync(descriptor) == 0 else { throw FormatError(path, nil, "cannot be written: \(systemReason(errno))") }
    try link()
    isCommitted.store(true, ordering: .relaxed)
    guard synced else { return }
    let opened = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if opened >= 0 {
      fsync(opened)
      close(opened)
    }
  }

  private func link() throws(FormatError) {
    if replaces {
      let name = temporary ?? OutputFile.hiddenName(for: path, in: folder)
      if temporary == nil { try linkUnnamed(to: name) }
      guard rename(name, path) == 0 else {
        let reason = systemReason(errno)
        unlink(name)
        throw FormatError(path, nil, "cannot be written: \(reason)")
      }
    } else if let temporary {
      // link, unlike rename, refuses a name that somebody else took in the meantime.
      if Glibc.link(temporary, path) == 0 {
        unlink(temporary)
      } else if [EPERM, EOPNOTSUPP, ENOSYS].contains(errno) {
        try OutputFile.check(path, replacing: false)
        guard rename(temporary, path) == 0 else { throw FormatError(path, nil, "cannot be written: \(systemReason(errno))") }
      } else {
        throw named(errno)
      }
    } else {
      try linkUnnamed(to: path)
    }
  }

  private func linkUnnamed(to name: String) throws(FormatError) {
    guard linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, name, Int32(AT_SYMLINK_FOLLOW)) == 0 else { throw named(errno) }
  }

  private func named(_ code: Int32) -> FormatError {
    FormatError(path, nil, code == EEXIST ? "exists already; --force replaces it" : "cannot be written: \(systemReason(code))")
  }
}
