import Glibc

/// Whole files for tests, in plain C calls: the code under test has its own.
public enum TestFiles {
  public struct Failure: Error {
    public let path: String
    public let code: Int32
  }

  public static func read(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "rb") else { throw Failure(path: path, code: errno) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = fread(&block, 1, block.count, file)
      guard count > 0 else { return bytes }
      bytes += block[0..<count]
    }
  }

  public static func text(_ path: String) throws -> String { String(decoding: try read(path), as: UTF8.self) }

  public static func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = fopen(path, "wb") else { throw Failure(path: path, code: errno) }
    let isWritten = bytes.isEmpty || fwrite(bytes, 1, bytes.count, file) == bytes.count
    guard fclose(file) == 0, isWritten else { throw Failure(path: path, code: errno) }
  }

  public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Names in a folder, hidden ones too, sorted.
  public static func names(in path: String) -> [String] {
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
