/// Scores of one model or several in the same tasks, and, against the first of them, what differs.
public struct TaskReport: Sendable {
  public struct Model: Sendable {
    /// What tables call it; no two are the same (`TaskReport` numbers those that are).
    public var name: String
    /// Where it was read from.
    public var path: String
    /// SHA-256 of its weights, or whatever tells it from others.
    public var fingerprint: String
    public var parameters: Int?
    /// Of most weights: "bf16".
    public var type: String?
    /// Tokens that it read at most.
    public var maxLength: Int?
    /// For all tasks; of what several models were asked together, each one's share.
    public var seconds: Double
    public var results: [TaskResult]
    /// From the base's predictions, by the name of the task.
    public var divergences: [String: Divergence]

    public init(
      name: String, path: String, fingerprint: String, parameters: Int? = nil, type: String? = nil, maxLength: Int? = nil, seconds: Double,
      results: [TaskResult], divergences: [String: Divergence] = [:]
    ) {
      (self.name, self.path, self.fingerprint, self.parameters, self.type) = (name, path, fingerprint, parameters, type)
      (self.maxLength, self.seconds, self.results, self.divergences) = (maxLength, seconds, results, divergences)
    }
  }

  /// KL(base ‖ model) at the positions that were scored, nats.
  public struct Divergence: Sendable, Equatable {
    public var mean: Double
    public var positions: Int

    public init(mean: Double, positions: Int) { (self.mean, self.positions) = (mean, positions) }
  }

  /// What numbers depend on beside model and task.
  public struct Conditions: Sendable {
    /// "hoof 0.7"
    public var program: String
    public var backend: String
    /// What is computed in: "f32".
    public var precision: String
    /// Questions of each task at most.
    public var limit: Int?
    /// Where the tasks' files are.
    public var dataFolder: String
    /// Resamples of perplexities' standard errors.
    public var draws: Int
    public var fewShotSeed: Int
    /// Seconds since 1970.
    public var date: Double?

    public init(
      program: String, backend: String, precision: String, limit: Int? = nil, dataFolder: String, draws: Int = Aggregation.harnessDraws,
      fewShotSeed: Int = 1234, date: Double? = nil
    ) {
      (self.program, self.backend, self.precision, self.limit) = (program, backend, precision, limit)
      (self.dataFolder, self.draws, self.fewShotSeed, self.date) = (dataFolder, draws, fewShotSeed, date)
    }
  }

  public let models: [Model]
  public let conditions: Conditions
  /// Every model but the first against the first; empty unless asked for.
  public let pairings: [TaskPairing]
  let hierarchy: TaskHierarchy

  /// - Parameters:
  ///   - models: at least one; the first is the base of a comparison
  ///   - groups: those that were asked for and their subgroups
  ///   - isCompared: whether the models after the first are to be compared with it
  public init(models: [Model], groups: [TaskGroup], conditions: Conditions, isCompared: Bool = false) {
    precondition(!models.isEmpty, "task report: no model")
    let hierarchy = TaskHierarchy(groups)
    var named = models
    for (index, name) in TaskReport.distinct(models.map(\.name)).enumerated() { named[index].name = name }
    (self.models, self.conditions, self.hierarchy) = (named, conditions, hierarchy)
    pairings = isCompared ? named.dropFirst().map { [base = named[0]] in TaskPairing(base: base, cut: $0, hierarchy: hierarchy) } : []
  }

  /// Names that are all different: those that come again with a number, "cut.hoof (2)".
  public static func distinct(_ names: [String]) -> [String] {
    var known: Set<String> = []
    return names.map { name in
      var (own, number) = (name, 2)
      while !known.insert(own).inserted {
        own = "\(name) (\(number))"
        number += 1
      }
      return own
    }
  }

  /// Of one model, each group behind its subgroups.
  public func groupResults(of model: Model) -> [GroupResult] {
    let results = Dictionary(model.results.map { ($0.name, $0) }) { first, _ in first }
    return hierarchy.upwards.map { GroupResult($0, in: hierarchy, results: results) }
  }

  /// Tasks and groups that are in no group, in the order of the tables.
  func topLevel(of model: Model) -> [String] {
    hierarchy.ordered(model.results.map(\.name) + hierarchy.upwards.map(\.name)).filter { $0.depth == 0 }.map(\.name)
  }
}
