import Glibc

/// A folder of its own, gone when the test ends.
final class TemporaryFolder {
  let path: String

  init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/hoof-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError(code: errno) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    chmod(path, 0o700)
    for name in names() { unlink(file(name)) }
    rmdir(path)
  }

  struct SystemError: Error { let code: Int32 }

  func file(_ name: String) -> String { path + "/" + name }

  /// Everything in the folder, hidden files too.
  func names() -> [String] {
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

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let stream = fopen(file(name), "wb")
    guard let stream, bytes.isEmpty || fwrite(bytes, 1, bytes.count, stream) == bytes.count, fclose(stream) == 0 else {
      throw SystemError(code: errno)
    }
  }

  func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

  func read(_ name: String) throws -> [UInt8] {
    guard let stream = fopen(file(name), "rb") else { throw SystemError(code: errno) }
    defer { fclose(stream) }
    fseek(stream, 0, SEEK_END)
    var bytes = [UInt8](repeating: 0, count: ftell(stream))
    rewind(stream)
    guard fread(&bytes, 1, bytes.count, stream) == bytes.count else { throw SystemError(code: errno) }
    return bytes
  }
}
