import Glibc
import JSON

/// Real models, texts and reference numbers that lie beside the repository in `../shared`; tests that need them are skipped without.
public enum SharedData {
  /// The package's root folder.
  public static let packageRoot: String = {
    let parts = #filePath.split(separator: "/")
    return "/" + parts.dropLast(3).joined(separator: "/")
  }()

  public static let root = packageRoot + "/../shared"

  public static func path(_ relative: String) -> String { root + "/" + relative }
  public static func has(_ relative: String) -> Bool { access(path(relative), R_OK) == 0 }
  public static var isHere: Bool { has("reference/README.md") }

  /// The reason a skipped test gives.
  public static let absent = "the reference data in ../shared is absent"

  public static func json(_ relative: String) throws -> JSON { try JSON(parsing: bytes(relative)) }

  public static func bytes(_ relative: String) throws -> [UInt8] {
    guard let file = fopen(path(relative), "rb") else { throw Missing(path: path(relative)) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = fread(&block, 1, block.count, file)
      guard count > 0 else { return bytes }
      bytes += block[0..<count]
    }
  }

  public struct Missing: Error { public let path: String }
}
