import Glibc

/// What several models cut from one base cost and gained: every figure of `hoof compare`.
public struct ComparisonTable: Sendable {
  public struct Row: Sendable {
    /// What the table calls the model; unique in it.
    public var name: String
    /// The method that chose the cut; nil for a model that came from a file.
    public var strategy: String?
    /// How many layers, or what share of the neurons or of the width, the method was asked to remove: "3", "10 %"; nil for files.
    public var amount: String?
    /// nil for a model made in memory.
    public var path: String?
    /// The base's layers that are not in the model, ascending; nil for a file that is not known to be cut from the base.
    public var removedLayers: [Int]?
    public var layers: Int
    public var parameters: Int
    /// Of the tensors as stored.
    public var bytes: Int
    /// On the windows of held-out text, against the base.
    public var outcome: Outcome
    public var prefill: Throughput
    public var decode: Throughput
    /// What was done to the cut afterwards; nil where nothing was asked for.
    public var healing: Healing?
    /// On text of another domain.
    public var outOfDomain: Outcome?
    /// What it writes by itself.
    public var generation: GenerationCheck?
    /// What it scores in tasks: the same ones in every row.
    public var tasks: [TaskFigure] = []

    public init(
      name: String, strategy: String? = nil, amount: String? = nil, path: String? = nil, removedLayers: [Int]? = nil, layers: Int,
      parameters: Int, bytes: Int, outcome: Outcome, prefill: Throughput, decode: Throughput
    ) {
      self.name = name
      self.strategy = strategy
      self.amount = amount
      self.path = path
      self.removedLayers = removedLayers
      self.layers = layers
      self.parameters = parameters
      self.bytes = bytes
      self.outcome = outcome
      self.prefill = prefill
      self.decode = decode
    }
  }

  /// Under which the figures were measured.
  public struct Conditions: Sendable {
    public var dataPath: String
    public var dataSHA256: String
    public var window: Int
    public var windows: Int
    public var hasBOS: Bool
    public var scoredTokens: Int
    public var backend: String
    public var warmUp: Int
    public var runs: Int
    /// Tokens in front of the first one that is written.
    public var prefixTokens: Int
    public var seed: Int
    /// The text of another domain; nil without.
    public var outOfDomain: OtherText?
    /// What cuts were healed with; nil where none was.
    public var healing: HealingData?
    public var generation: GenerationCheck.Plan?

    public struct OtherText: Sendable, Equatable {
      public var path: String
      public var sha256: String
      public var scoredTokens: Int

      public init(path: String, sha256: String, scoredTokens: Int) {
        self.path = path
        self.sha256 = sha256
        self.scoredTokens = scoredTokens
      }
    }

    /// The same for every healed cut.
    public struct HealingData: Sendable, Equatable {
      public var path: String
      public var sha256: String
      public var steps: Int
      /// Examples a step, of at most so many tokens.
      public var batch: Int
      public var maxTokens: Int

      public init(path: String, sha256: String, steps: Int, batch: Int, maxTokens: Int) {
        self.path = path
        self.sha256 = sha256
        self.steps = steps
        self.batch = batch
        self.maxTokens = maxTokens
      }
    }

    public init(
      dataPath: String, dataSHA256: String, window: Int, windows: Int, hasBOS: Bool, scoredTokens: Int, backend: String, warmUp: Int,
      runs: Int, prefixTokens: Int, seed: Int
    ) {
      self.dataPath = dataPath
      self.dataSHA256 = dataSHA256
      self.window = window
      self.windows = windows
      self.hasBOS = hasBOS
      self.scoredTokens = scoredTokens
      self.backend = backend
      self.warmUp = warmUp
      self.runs = runs
      self.prefixTokens = prefixTokens
      self.seed = seed
    }

    /// The protocol that stands beside every perplexity: numbers under another one are other numbers (methods by which WikiText-2 is
    /// reported differ by a factor of two).
    public var perplexityProtocol: String { "windows of \(window)\(hasBOS ? " behind a begin token" : "")" }
  }

  public let conditions: Conditions
  /// The base first.
  public let rows: [Row]
  /// Whole run.
  public let seconds: Double
  /// Rows no other row beats, by trade-off.
  public let fronts: [Tradeoff: Set<Int>]

  public init(_ rows: [Row], under conditions: Conditions, seconds: Double) {
    precondition(!rows.isEmpty, "comparison: no base")
    self.rows = rows
    self.conditions = conditions
    self.seconds = seconds
    fronts = Dictionary(
      uniqueKeysWithValues: Tradeoff.allCases.map { tradeoff in
        (tradeoff, paretoFront(of: rows.count) { tradeoff.prefers(rows[$0], to: rows[$1]) })
      })
  }

  public var base: Row { rows[0] }

  /// Of the perplexity, 0.1 for 10 % more than the base's.
  public func perplexityChange(of row: Row) -> Double { row.outcome.perplexity / base.outcome.perplexity - 1 }

  /// What a row is best at, in the order of `Tradeoff.allCases`.
  public func merits(of index: Int) -> [Tradeoff] { Tradeoff.allCases.filter { fronts[$0]?.contains(index) == true } }
}
