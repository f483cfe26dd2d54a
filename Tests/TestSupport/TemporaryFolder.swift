import Glibc

/// A folder of its own, gone with everything in it when the test ends.
public final class TemporaryFolder: Sendable {
  public let path: String

  public init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/hoof-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFiles.Failure(path: base, code: errno) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { TemporaryFolder.remove(path) }

  private static func remove(_ path: String) {
    if unlink(path) == 0 { return }
    chmod(path, 0o700)
    for name in TestFiles.names(in: path) { remove(path + "/" + name) }
    rmdir(path)
  }

  public func file(_ name: String) -> String { path + "/" + name }

  /// Everything in the folder, hidden files too.
  public func names() -> [String] { TestFiles.names(in: path) }

  /// The path of the new file.
  @discardableResult
  public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try TestFiles.write(bytes, to: file(name))
    return file(name)
  }

  @discardableResult
  public func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  public func read(_ name: String) throws -> [UInt8] { try TestFiles.read(file(name)) }
}
