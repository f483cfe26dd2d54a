import CKernels
import Glibc

/// Working memory on disk, for what is too large to stay resident: a file without a name, gone when the last reference goes, however the
/// process ends.
public final class ScratchFile: Sendable {
  private let folder: String
  private let descriptor: Int32
  private let start: UInt
  public let byteCount: Int

  /// In the folder TMPDIR names, else /var/tmp: unlike /tmp that is never in memory itself.
  public convenience init(byteCount: Int) throws(FormatError) {
    let named = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    try self.init(byteCount: byteCount, folder: named.isEmpty ? "/var/tmp" : named)
  }

  /// - Throws: when the folder cannot be written to or has no room for all of it.
  init(byteCount: Int, folder: String) throws(FormatError) {
    precondition(byteCount > 0, "scratch file: \(byteCount) bytes")
    self.folder = folder
    self.byteCount = byteCount
    var template = Array("\(folder)/hoof-scratch-XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw FormatError(folder, nil, "scratch space cannot be made there: \(systemReason(errno)); TMPDIR names another folder")
    }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    let refusal = hoof_file_reserve(descriptor, Int64(byteCount))
    // File systems that cannot reserve say so with another code; then a write finds out.
    if [ENOSPC, EDQUOT, EFBIG].contains(refusal) || ftruncate(descriptor, byteCount) != 0 {
      close(descriptor)
      throw FormatError(
        folder, nil, "has no room for \(byteCount >> 20) MiB of scratch space: \(systemReason(refusal)); TMPDIR names another folder")
    }
    guard let address = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0), address != MAP_FAILED else {
      let reason = systemReason(errno)
      close(descriptor)
      throw FormatError(folder, nil, "scratch space cannot be mapped: \(reason)")
    }
    start = UInt(bitPattern: address)
  }

  deinit {
    munmap(UnsafeMutableRawPointer(bitPattern: start), byteCount)
    close(descriptor)
  }

  /// Valid as long as this object is; page-aligned. Shows what was written; nobody writes to a part that somebody reads.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: start), count: byteCount) }

  /// Written to the file, not through the mapping, so that what is not read again does not count as this process's memory.
  public func write(_ values: [Float], at offset: Int) throws(FormatError) {
    try values.withUnsafeBufferPointer { values throws(FormatError) in try write(UnsafeRawBufferPointer(values), at: offset) }
  }

  /// May be called from several threads for different places.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FormatError) {
    precondition(offset >= 0 && offset + bytes.count <= byteCount, "scratch file: \(bytes.count) bytes at \(offset) of \(byteCount)")
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let reason = systemReason(count == 0 ? ENOSPC : errno)
        throw FormatError(folder, nil, "scratch space cannot be written: \(reason); TMPDIR names another folder")
      }
      done += count
    }
  }
}
