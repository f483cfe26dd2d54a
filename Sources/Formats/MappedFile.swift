import Glibc

/// A read-only memory-mapped file; unmapped when the last reference goes.
public final class MappedFile: Sendable {
  public let path: String
  private let start: UInt
  public let byteCount: Int
  /// Who holds the mapping, when that is not this object.
  private let owner: ScratchFile?

  /// Maps a regular, non-empty file.
  /// - Parameter part: of it, from a multiple of the page size on; nil for the whole.
  public init(path: String, part: Range<Int>? = nil) throws(FormatError) {
    // Without O_NONBLOCK the open of a named pipe would wait for a writer for ever.
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FormatError(path, nil, systemReason(errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FormatError(path, nil, systemReason(errno)) }
    if status.st_mode & S_IFMT == S_IFDIR { throw FormatError(path, nil, "is a folder, not a file") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FormatError(path, nil, "is not a regular file") }
    guard status.st_size > 0 else { throw FormatError(path, nil, "is empty") }
    let part = part ?? 0..<Int(status.st_size)
    guard !part.isEmpty, part.upperBound <= Int(status.st_size) else { throw FormatError(path, nil, "is shorter than it says") }
    byteCount = part.count
    guard let address = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, off_t(part.lowerBound)), address != MAP_FAILED else {
      throw FormatError(path, nil, "cannot be mapped: \(systemReason(errno))")
    }
    start = UInt(bitPattern: address)
    self.path = path
    owner = nil
  }

  /// What was made of the file at `path` and lies in a scratch file.
  init(_ scratch: ScratchFile, shownAs path: String) {
    self.path = path
    start = UInt(bitPattern: scratch.bytes.baseAddress!)
    byteCount = scratch.byteCount
    owner = scratch
  }

  deinit { if owner == nil { munmap(UnsafeMutableRawPointer(bitPattern: start), byteCount) } }

  /// Valid as long as this object is; a file that shrinks while it is mapped ends the process with SIGBUS.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: start), count: byteCount) }

  /// Tells the kernel that `range` is done with, so that a pass over a model does not keep all of it resident. Reading it again is allowed.
  func release(_ range: Range<Int>) {
    let page = Int(getpagesize())
    // Only whole pages: the neighbours at both ends may still be needed.
    let first = (range.lowerBound + page - 1) / page * page
    let last = range.upperBound / page * page
    if first < last { madvise(UnsafeMutableRawPointer(bitPattern: start + UInt(first)), last - first, MADV_DONTNEED) }
  }
}

/// The system's own words for an error number.
func systemReason(_ code: Int32) -> String { String(cString: strerror(code)) }

/// The whole of a small file, refused when larger than `limit`.
package func readFile(_ path: String, limit: Int) throws(FormatError) -> [UInt8] {
  let file = try MappedFile(path: path)
  guard file.byteCount <= limit else { throw FormatError(path, nil, "has \(file.byteCount) bytes; at most \(limit) are allowed") }
  return withExtendedLifetime(file) { Array(file.bytes) }
}

func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

package func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// The folder part of a path: "." for a bare name.
func parentFolder(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
