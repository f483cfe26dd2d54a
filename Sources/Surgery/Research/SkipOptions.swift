/// What a study of dynamic skipping asks, beside model and texts.
public struct SkipOptions: Sendable, Equatable {
  /// Which sets of layers there are to choose from.
  public enum Pool: String, Sendable, CaseIterable {
    /// What greedy searches find: one over all calibration texts, one over each cluster; and the layers of least KL.
    case found
    /// Every set of that many layers.
    case all
  }

  /// Layers that every text is left without.
  public var drop: Int
  /// Tokens of a text that are known when the choice is made, BOS counted; what stands behind them is scored.
  public var promptTokens = 16
  /// Layers that run before the choice, and so are never left out by a router; 0 takes the token embeddings.
  public var depth = 0
  public var clusters = 4
  public var pool = Pool.found
  public var seed = 0

  public init(drop: Int) { self.drop = drop }

  /// Sets of `--sets all` beyond which a study would not end.
  public static let mostSets = 2000
  /// A cluster of one text would be fitted to that text.
  static let fewestPerCluster = 2
  /// An interval over texts needs two of them.
  static let fewestHeldOut = 2
  static let draws = 1000
  static let resamples = 10_000

  func check(layers: Int) throws(SkipError) {
    precondition(drop > 0 && promptTokens > 0 && clusters > 0 && depth >= 0, "skip: an option below its least value")
    guard drop < layers, drop <= layers - depth else { throw .tooManyLayers(drop: drop, of: layers, depth: depth) }
    if pool == .all, LayerSets.count(drop, of: layers - depth) > SkipOptions.mostSets {
      throw .tooManySets(drop: drop, of: layers - depth)
    }
  }
}

/// Why dynamic skipping cannot be studied as asked.
public enum SkipError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Role: String, Sendable { case calibration, heldOut = "held-out" }

  case tooManyLayers(drop: Int, of: Int, depth: Int)
  case tooManySets(drop: Int, of: Int)
  /// No text goes on behind the tokens that the choice is made from.
  case tooShort(Role, longest: Int, promptTokens: Int)
  case tooFew(Role, texts: Int, needed: Int, clusters: Int?)
  /// Every held-out text was calibrated on.
  case notHeldOut(texts: Int)
  /// A signal or the whole model's loss overflows.
  case notANumber(String)

  public var description: String {
    switch self {
    case .tooManyLayers(let drop, let layers, 0):
      "\(drop) layers cannot be left out: the model has \(layers), and one has to stay"
    case .tooManyLayers(let drop, let layers, let depth):
      "\(drop) layers cannot be left out: of the model's \(layers) layers the first \(depth) run before the choice, and "
        + "\(max(0, layers - depth)) are left"
    case .tooManySets(let drop, let layers):
      "there are \(LayerSets.count(drop, of: layers)) sets of \(drop) among \(layers) layers, more than \(SkipOptions.mostSets); "
        + "take those that searches find"
    case .tooShort(let role, let longest, let prompt):
      "the \(role.rawValue) texts are too short: the choice is made from the first \(prompt) tokens and what follows is scored, and the "
        + "longest text has \(longest)"
    case .tooFew(let role, let texts, let needed, let clusters):
      "\(texts) \(role.rawValue) text\(texts == 1 ? "" : "s") long enough, and "
        + (clusters.map { "\($0) cluster\($0 == 1 ? "" : "s") need \(needed)" } ?? "an interval needs \(needed)")
    case .notHeldOut(let texts):
      "all \(texts) texts to measure on are calibration texts as well: they say nothing about others"
    case .notANumber(let what): "\(what) is not a number: the model's weights overflow"
    }
  }
}

/// Sets of layers of one size.
enum LayerSets {
  /// How many there are; `Int.max` for more than that.
  static func count(_ size: Int, of layers: Int) -> Int {
    guard size >= 0, size <= layers else { return 0 }
    var count = 1
    for index in 0..<min(size, layers - size) {
      let (product, isTooLarge) = count.multipliedReportingOverflow(by: layers - index)
      if isTooLarge { return .max }
      count = product / (index + 1)
    }
    return count
  }

  /// All of them, in lexical order.
  static func all(_ size: Int, of layers: Range<Int>) -> [Set<Int>] {
    guard size > 0 else { return [[]] }
    return layers.flatMap { first in all(size - 1, of: first + 1..<layers.upperBound).map { $0.union([first]) } }
  }
}
