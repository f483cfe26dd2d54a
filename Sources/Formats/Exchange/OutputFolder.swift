import Glibc

/// A folder whose files appear together: they are written into a hidden folder beside it, and get their names when all are complete. What else is
/// in the folder stays.
final class OutputFolder {
  let path: String
  private let hidden: String
  private var isCommitted = false

  /// - Parameters:
  ///   - mark: the file that says that a folder holds such a thing; it is renamed last.
  ///   - replacing: whether a folder with that file may be there already.
  init(path: String, mark: String, replacing: Bool) throws(FormatError) {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    if fileExists(self.path), !isFolder(self.path) { throw FormatError(self.path, nil, "is a file; give a folder") }
    try OutputFile.check("\(self.path)/\(mark)", replacing: replacing)
    let name = self.path.split(separator: "/").last.map(String.init) ?? "out"
    var template = Array("\(parentFolder(of: self.path))/.\(name.prefix(100)).XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw FormatError(self.path, nil, "cannot be made: \(systemReason(errno))") }
    hidden = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // mkdtemp makes private folders; this one becomes an ordinary one.
    let mask = umask(0)
    umask(mask)
    chmod(hidden, 0o777 & ~mask)
  }

  deinit {
    if isCommitted { return }
    for name in OutputFolder.names(in: hidden) { unlink("\(hidden)/\(name)") }
    rmdir(hidden)
  }

  /// Where a file is written until `commit`.
  func file(_ name: String) -> String { "\(hidden)/\(name)" }

  func write(_ bytes: [UInt8], as name: String) throws(FormatError) {
    let output = try OutputFile(path: file(name), byteCount: bytes.count, replacing: false)
    try output.write(bytes, at: 0)
    try output.commit()
  }

  /// Gives the files their place.
  /// - Parameters:
  ///   - mark: goes last.
  ///   - isStale: which files that were there before go, because they belong to what is replaced.
  func commit(mark: String, removing isStale: (String) -> Bool) throws(FormatError) {
    if rename(hidden, path) != 0 {
      // There is a folder with something in it.
      guard isFolder(path) else { throw FormatError(path, nil, "cannot be made: \(systemReason(errno))") }
      let names = OutputFolder.names(in: hidden).sorted { ($0 == mark ? 1 : 0, $0) < ($1 == mark ? 1 : 0, $1) }
      for name in OutputFolder.names(in: path) where isStale(name) && !names.contains(name) { unlink("\(path)/\(name)") }
      for name in names where rename(file(name), "\(path)/\(name)") != 0 {
        throw FormatError("\(path)/\(name)", nil, "cannot be written: \(systemReason(errno))")
      }
      rmdir(hidden)
    }
    isCommitted = true
    for folder in [path, parentFolder(of: path)] {
      let opened = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      if opened >= 0 {
        fsync(opened)
        close(opened)
      }
    }
  }

  private static func names(in path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}
