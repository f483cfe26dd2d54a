import Formats
import Terminal

/// The value of --prune-heads: heads by name, or how many.
enum HeadArgument {
  /// "3:0,1;5:2": by layer.
  case list([Int: Set<Int>])
  /// "0.25": this share of each layer's key/value groups, with all of their query heads.
  case groups(Double)
  /// "each:0.5": this share of the query heads of each group.
  case each(Double)

  static let help =
    "3:0,1;5:2 for heads 0 and 1 of layer 3 and head 2 of layer 5; 0.25 for the least quarter of each layer's key/value groups; "
    + "each:0.5 for the least half of the query heads in each group"

  init(_ text: String) throws(UsageError) {
    func refusal(_ reason: String) -> UsageError { UsageError(command: "create", "--prune-heads: \(reason)") }
    func ratio(_ text: Substring) throws(UsageError) -> Double {
      guard let ratio = Double(text), ratio > 0, ratio < 1 else {
        throw refusal("expected a share above 0 and below 1, not '\(text)'; heads by name are written LAYER:HEADS, as in 3:0,1;5:2")
      }
      return ratio
    }
    if text.hasPrefix("each:") {
      self = .each(try ratio(text.dropFirst(5)))
      return
    }
    guard text.contains(":") else {
      self = .groups(try ratio(text[...]))
      return
    }
    var heads: [Int: Set<Int>] = [:]
    for part in text.split(separator: ";", omittingEmptySubsequences: false) {
      let pair = part.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard pair.count == 2, let layers = CommandOption.indices(in: pair[0]), layers.count == 1,
        let indices = CommandOption.indices(in: pair[1])
      else { throw refusal("expected LAYER:HEADS, as in 3:0,1;5:2, not '\(part)'") }
      heads[layers[0], default: []].formUnion(indices)
    }
    self = .list(heads)
  }
}
