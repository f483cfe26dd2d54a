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
  public static let absent = "the real models, texts and reference numbers of ../shared are absent"

  public static func json(_ relative: String) throws -> JSON { try JSON(parsing: bytes(relative)) }

  public static func bytes(_ relative: String) throws -> [UInt8] { try TestFiles.read(path(relative)) }
}
