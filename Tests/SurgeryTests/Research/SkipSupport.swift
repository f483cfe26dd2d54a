import BackendCPU
import Formats
@testable import Surgery
import TensorCore
import TestSupport
import Transformer

/// Studies of dynamic skipping for tests: on a real model, and with numbers that are made up.
enum Skipping {
  static let budget = 1 << 30

  /// The reference prompts, every other one held out.
  static func study(_ options: SkipOptions, of name: String = "stories260K") throws -> SkipStudy {
    let model = try ReferenceModels.open(name, on: CPUBackend())
    let prompts = try Pruning.prompts(name)
    return try SkipStudy(
      model, calibration: prompts.indices.filter { $0 % 2 == 0 }.map { prompts[$0] },
      heldOut: prompts.indices.filter { $0 % 2 == 1 }.map { prompts[$0] }, options: options, budget: budget)
  }

  static func result(_ study: SkipStudy) throws -> SkipResult { try study.run(study.candidates()) }

  /// The example model, which every checkout has.
  static func example() throws -> Llama {
    try Llama(ModelSource.open(path: SharedData.packageRoot + "/examples/talespin-tiny"), on: CPUBackend())
  }

  /// Texts of ten scored positions each.
  static func outcome(_ means: [Double]) -> Outcome {
    Outcome(
      means.map {
        PromptOutcome(
          positions: 10, divergence: 10 * $0, lastDivergence: $0, greatestDivergence: $0, loss: 9 * (2 + $0), agreements: $0 < 0.5 ? 9 : 5)
      })
  }

  /// A study of made-up numbers: `means` says what each set does to a text of each kind, in nats for each position, and `signal` what is
  /// seen of it.
  /// - Parameter kinds: of the calibration texts, then of the held-out ones.
  static func stub(
    kinds: (calibration: [Int], heldOut: [Int]), means: [[Double]], signal: (Int, Int) -> [Double], clusters count: Int
  ) throws -> SkipResult {
    var options = SkipOptions(drop: 1)
    options.clusters = count
    options.promptTokens = 2
    func texts(_ count: Int, from first: Int) -> [[Int32]] { (0..<count).map { [1, Int32(first + $0)] + Array(repeating: 2, count: 10) } }
    let study = try SkipStudy(
      example(), calibration: texts(kinds.calibration.count, from: 3), heldOut: texts(kinds.heldOut.count, from: 500), options: options,
      budget: budget)
    let seen = kinds.calibration.enumerated().map { signal($1, $0) }
    let scale = StandardScale(seen)
    let scaled = seen.map { scale($0) }
    let candidates = SkipCandidates(
      sets: means.indices.map { [$0] }, greedy: 0, leastDivergence: 0, routable: Array(means.indices), clusterSets: nil,
      clusters: KMeans(scaled, clusters: count, seed: 0), scale: scale, signals: scaled)
    func outcomes(_ kinds: [Int]) -> [Outcome] { means.map { row in outcome(kinds.map { row[$0] }) } }
    return SkipResult(
      study, candidates, calibration: outcomes(kinds.calibration), whole: outcome(kinds.heldOut.map { _ in 0 }),
      heldOut: outcomes(kinds.heldOut), signals: kinds.heldOut.enumerated().map { scale(signal($1, 100 + $0)) })
  }
}
