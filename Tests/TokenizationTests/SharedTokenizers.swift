import JSON
import TestSupport
import Tokenization

/// Published tokenizers beside the repository.
enum SharedTokenizers {
  /// - Parameter folder: relative to the shared data.
  static func open(_ folder: String) throws -> Tokenizer { try Tokenizer(json: SharedData.bytes(folder + "/tokenizer.json")) }
}

extension JSON {
  var ids: [Int32]? { array?.compactMap { $0.int.flatMap(Int32.init(exactly:)) } }
}
