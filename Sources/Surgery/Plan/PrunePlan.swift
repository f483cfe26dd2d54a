import Formats
import JSON
import TensorCore

/// A plan file: what goes from a model, why, and what is known about it. Written by every `hoof prune`, and replayed by it.
public struct PrunePlan: Sendable {
  /// The model that is cut.
  public struct Source: Sendable, Equatable {
    public var path: String
    public var fingerprint: String
    /// Of the model it was converted from without a cut, if it was.
    public var origin: String?

    public init(path: String, fingerprint: String, origin: String?) {
      self.path = path
      self.fingerprint = fingerprint
      self.origin = origin
    }

    /// Whether what was found on one holds for the other: the same weights, or both made of the same.
    public func speaks(of other: Source) -> Bool {
      let (own, others) = (Set([fingerprint, origin].compactMap(\.self)), Set([other.fingerprint, other.origin].compactMap(\.self)))
      return !own.isDisjoint(with: others)
    }
  }

  public struct Calibration: Sendable, Equatable {
    public var path: String
    public var sha256: String
    public var prompts: Int, tokens: Int, maxTokens: Int

    public init(path: String, sha256: String, prompts: Int, tokens: Int, maxTokens: Int) {
      self.path = path
      self.sha256 = sha256
      (self.prompts, self.tokens, self.maxTokens) = (prompts, tokens, maxTokens)
    }
  }

  /// Against the uncut model on the calibration texts.
  public struct Measured: Sendable, Equatable {
    public var divergence: Double
    public var perplexity: Double

    public init(divergence: Double, perplexity: Double) {
      self.divergence = divergence
      self.perplexity = perplexity
    }
  }

  public static let format = "hoof-plan"
  public static let version = 1

  public let source: Source
  public let calibration: Calibration?
  public let method: String
  public let cuts: CutPlan
  /// What matrices are stored as; nil for as they are.
  public let matrixType: DType?
  /// What the whole cut was measured to do; nil where it was not, or where the cuts were edited since.
  public let measured: Measured?
  public let json: JSON

  /// The file's text.
  public var text: String { json.text(pretty: true) + "\n" }

  /// The plan of a run.
  /// - Parameters:
  ///   - cuts: `result`'s, and what was asked for beside the method (patches).
  ///   - after: what is left, as it will be stored.
  ///   - patches: what became of each place that was to be patched.
  public init(
    _ result: Pruner.Result, of pruner: Pruner, cuts: CutPlan, after: ModelSizes, matrixType: DType?, source: Source,
    calibration: Calibration?, measured: Measured?, patches: [LinearPatch.Decision] = []
  ) {
    self.source = source
    self.calibration = calibration
    self.cuts = cuts
    self.matrixType = matrixType
    self.measured = measured
    method = pruner.options.method.rawValue
    let before = pruner.source.sizes
    let (layers, kept) = (pruner.source.config.layers.count, cuts.keptLayers(of: pruner.source.config))
    var object: JSON.Object = ["format": .string(PrunePlan.format), "version": .int(PrunePlan.version)]
    var from: JSON.Object = ["path": .string(source.path), "fingerprint": .string(source.fingerprint)]
    if let origin = source.origin { from["origin"] = .string(origin) }
    from["layers"] = .int(layers)
    from["parameters"] = .int(before.parameters)
    from["bytes"] = .int(before.bytes)
    object["source"] = .object(from)
    if let calibration {
      object["calibration"] = [
        "path": .string(calibration.path), "sha256": .string(calibration.sha256), "prompts": .int(calibration.prompts),
        "tokens": .int(calibration.tokens), "max_tokens": .int(calibration.maxTokens),
      ]
    }
    object["method"] = .string(method)
    object["options"] = pruner.options.json
    if let matrixType { object["matrix_type"] = .string(matrixType.name) }
    object["cuts"] = cuts.json
    var gone: CutPlan?
    object["steps"] = .array(
      result.steps.map { step in
        defer { gone = step.cut }
        return PrunePlan.json(step, besides: gone)
      })
    object["scores"] = pruner.scores
    if let search = pruner.search {
      object["baseline"] = ["perplexity": JSON(measured: search.baseline.perplexity)]
      object["search"] = search.cost.json
    }
    if let measured {
      object["measured"] = [
        "kl": JSON(measured: measured.divergence), "perplexity": JSON(measured: measured.perplexity), "cuts": PrunePlan.sum(cuts.json),
      ]
    }
    if !patches.isEmpty { object["patch"] = .array(patches.map(\.json)) }
    object["original_layers"] = .array(kept.map { .int(pruner.source.originalLayers[$0]) })
    object["before"] = PrunePlan.json(before, layers: layers)
    object["after"] = PrunePlan.json(after, layers: kept.count)
    object["stop"] = .string(result.stop)
    json = .object(object)
  }

  private static func json(_ step: Pruner.Step, besides gone: CutPlan?) -> JSON {
    var object: JSON.Object = [
      "removes": .array(step.cut.labels(besides: gone).map { .string($0) }), "cut": step.cut.json,
      "parameters": .int(step.after.parameters), "bytes": .int(step.after.bytes),
    ]
    if let outcome = step.outcome {
      object["kl"] = JSON(measured: outcome.meanDivergence)
      object["perplexity"] = JSON(measured: outcome.perplexity)
      object["top1_agreement"] = .double(outcome.agreement)
    }
    return .object(object)
  }

  private static func json(_ sizes: ModelSizes, layers: Int) -> JSON {
    ["layers": .int(layers), "parameters": .int(sizes.parameters), "bytes": .int(sizes.bytes)]
  }

  /// What tells cuts that were measured from cuts that somebody changed since.
  private static func sum(_ cuts: JSON) -> JSON { .string(SHA256.hex(of: Array(cuts.text().utf8))) }
}

extension PrunePlan {
  /// Reads a plan file that is to be replayed on a model.
  /// - Parameters:
  ///   - config: of the model.
  ///   - path: of the file, for messages.
  public init(_ json: JSON, for config: LlamaConfig, path: String) throws(FormatError) {
    guard json["format"]?.string == PrunePlan.format else { throw FormatError(path, "format", "not a plan of hoof prune") }
    guard json["version"]?.int == PrunePlan.version else {
      throw FormatError(path, "version", "is \(json["version"]?.text() ?? "missing"); this hoof reads version \(PrunePlan.version)")
    }
    func text(_ value: JSON?, _ field: String) throws(FormatError) -> String {
      guard let text = value?.string else { throw FormatError(path, field, "is missing") }
      return text
    }
    let from = json["source"]
    source = Source(
      path: try text(from?["path"], "source.path"), fingerprint: try text(from?["fingerprint"], "source.fingerprint"),
      origin: from?["origin"]?.string)
    guard let layers = from?["layers"]?.int else { throw FormatError(path, "source.layers", "is missing") }
    guard layers == config.layers.count else {
      throw FormatError(path, "source.layers", "the plan is for a model of \(layers) layers, this one has \(config.layers.count)")
    }
    method = try text(json["method"], "method")
    calibration = try json["calibration"].map { (value) throws(FormatError) in
      guard let prompts = value["prompts"]?.int, let tokens = value["tokens"]?.int, let most = value["max_tokens"]?.int else {
        throw FormatError(path, "calibration", "needs prompts, tokens and max_tokens")
      }
      return Calibration(
        path: try text(value["path"], "calibration.path"), sha256: try text(value["sha256"], "calibration.sha256"), prompts: prompts,
        tokens: tokens, maxTokens: most)
    }
    guard let cuts = json["cuts"] else { throw FormatError(path, "cuts", "is missing") }
    self.cuts = try CutPlan(cuts, for: config, path: path)
    matrixType = try json["matrix_type"].map { (value) throws(FormatError) in
      guard let type = value.string.flatMap(DType.init(name:)), type != .i32 else {
        throw FormatError(path, "matrix_type", "\(value.text()) is not a type that matrices are stored as")
      }
      return type
    }
    let figures = json["measured"]
    measured =
      if figures?["cuts"] == PrunePlan.sum(cuts), let divergence = figures?["kl"]?.measured,
        let perplexity = figures?["perplexity"]?.measured
      {
        Measured(divergence: divergence, perplexity: perplexity)
      } else { nil }
    self.json = json
  }
}

extension LinearPatch.Decision {
  /// For the plan file; the scales are among the cuts.
  fileprivate var json: JSON {
    [
      "layer": .int(place), "kind": .string(patch.kind.rawValue), "kl_before": JSON(measured: before), "kl_after": JSON(measured: after),
      "kept": .bool(isKept),
    ]
  }
}
