import Formats
import Spelling
import TensorCore
import Terminal
import Training
import Transformer

/// The adapter a run trains: a new one, or one that was trained before.
struct AdapterRequest {
  let options: Adapter.Options
  /// nil for a new one.
  let file: AdapterFile?

  private static let flags = ["lora-rank", "lora-alpha", "lora-dropout", "lora-targets", "rslora"]

  /// nil when weights are trained, not an adapter.
  init?(_ arguments: Arguments, for source: ModelSource) throws {
    if let path = arguments.string("adapter") {
      let file = try Models.adapter(path, for: source, anyBase: false)
      let settings = file.settings
      self.file = file
      options = Adapter.Options(
        rank: settings.rank, alpha: settings.alpha, dropout: settings.dropout, targets: Set(file.pairs.map(\.part)),
        rankStabilized: settings.rankStabilized)
      return
    }
    guard let rank = arguments.int("lora-rank") else { return nil }
    file = nil
    options = Adapter.Options(
      rank: rank, alpha: arguments.double("lora-alpha") ?? Double(2 * rank), dropout: arguments.double("lora-dropout") ?? 0,
      targets: try AdapterRequest.targets(arguments.string("lora-targets")), rankStabilized: arguments.has("rslora"))
  }

  /// Whether an adapter is asked for.
  static func isMade(_ arguments: Arguments) -> Bool { arguments.has("lora-rank") || arguments.has("adapter") }

  /// Refuses options that mean nothing together.
  static func check(_ arguments: Arguments) throws(UsageError) {
    if arguments.has("adapter") {
      for name in flags where arguments.has(name) {
        throw FinetuneOptions.refuse("--\(name) describes a new adapter, and --adapter goes on with one that is there")
      }
    } else if !arguments.has("lora-rank") {
      for name in flags where arguments.has(name) { throw FinetuneOptions.refuse("--\(name) goes with --lora-rank") }
      return
    }
    for name in ["freeze", "patch-only", "layers-near-cut", "layers-each-side", "no-master", "init"] where arguments.has(name) {
      throw FinetuneOptions.refuse("--\(name) is about the model's weights, which an adapter leaves as they are")
    }
  }

  /// "q_proj,v_proj" or "all"
  private static func targets(_ text: String?) throws(UsageError) -> Set<TensorName.Part> {
    guard let text, text != "all" else { return Set(AdapterTargets.parts) }
    var targets: Set<TensorName.Part> = []
    let names = AdapterTargets.parts.map(\.moduleName)
    for name in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      guard let part = AdapterTargets.parts.first(where: { $0.moduleName == name }) else {
        let hint = NearestName.hint(for: name, in: names)
        throw FinetuneOptions.refuse("--lora-targets: expected all, or some of \(names.joined(separator: ",")), not '\(name)'\(hint)")
      }
      targets.insert(part)
    }
    return targets
  }

  func adapter(for model: Llama, seed: UInt64) throws -> Adapter {
    if let file { return try Adapter(file, for: model) }
    return try Adapter(for: model, options: options, seed: seed)
  }

  /// "rank 8, alpha 16"
  var description: String {
    "rank \(options.rank), alpha \(Float(options.alpha))" + (options.dropout > 0 ? ", dropout \(Float(options.dropout))" : "")
      + (options.rankStabilized ? ", rank-stabilized" : "")
  }

  /// What of it determines a run's numbers.
  var identity: String {
    "\(description), \(options.targets.map(\.moduleName).sorted().joined(separator: ","))" + (file.map { ", from \($0.sha256())" } ?? "")
  }
}
