import Glibc
import JSON
import Testing
import Tokenization

/// Real tokenizers and their vectors lie beside the repository, not in it.
enum SharedFiles {
  static let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/../shared"
  static var arePresent: Bool { access(root + "/tokenizers/llama3-128k/tokenizer.json", R_OK) == 0 }
  static let absence: Comment = "../shared is absent: no real tokenizers to test against"

  static let tokenizers = [
    "tokenizers/llama3-128k", "tokenizers/llama2-32k", "models/talespin-15m", "models/talespin-tiny", "models/stories260K",
    "models/stories260K-bf16-sharded",
  ]

  static func bytes(_ path: String) throws -> [UInt8] {
    guard let file = fopen(root + "/" + path, "rb") else { throw MissingFile(path: path) }
    defer { fclose(file) }
    var out: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { return out }
      out += chunk[..<count]
    }
  }

  static func json(_ path: String) throws -> JSON { try JSON(parsing: bytes(path)) }
  static func tokenizer(_ folder: String) throws -> Tokenizer { try Tokenizer(json: bytes(folder + "/tokenizer.json")) }

  struct MissingFile: Error { let path: String }
}

extension JSON {
  var ids: [Int32]? { array?.compactMap { $0.int.flatMap(Int32.init(exactly:)) } }
}
