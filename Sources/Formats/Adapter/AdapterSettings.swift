import JSON

/// What a PEFT folder's adapter_config.json says about a LoRA adapter (arXiv 2106.09685), which adds scale·(drop(x)·Aᵀ)·Bᵀ to x·Wᵀ.
public struct AdapterSettings: Sendable, Equatable {
  /// Rows of A and columns of B, where `ranks` says nothing else.
  public var rank: Int
  public var alpha: Double
  /// The share of x that is dropped while the adapter is trained.
  public var dropout: Double
  /// Scale is alpha/√rank instead of alpha/rank (rsLoRA, arXiv 2312.03732).
  public var rankStabilized: Bool
  public var targets: AdapterTargets
  /// Ranks and alphas of single modules; the first that fits counts.
  var ranks: [(module: ModuleName, value: Int)] = []
  var alphas: [(module: ModuleName, value: Double)] = []

  public init(rank: Int, alpha: Double, dropout: Double = 0, rankStabilized: Bool = false, targets: AdapterTargets = .all) {
    self.rank = rank
    self.alpha = alpha
    self.dropout = dropout
    self.rankStabilized = rankStabilized
    self.targets = targets
  }

  public static func == (a: AdapterSettings, b: AdapterSettings) -> Bool { a.json == b.json }

  public func rank(of part: TensorName.Part, layer: Int) -> Int {
    ranks.first { $0.module.fits(AdapterTargets.module(part, layer: layer)) }?.value ?? rank
  }

  /// What B·A is multiplied with.
  public func scale(of part: TensorName.Part, layer: Int) -> Double {
    let alpha = alphas.first { $0.module.fits(AdapterTargets.module(part, layer: layer)) }?.value ?? alpha
    let rank = Double(rank(of: part, layer: layer))
    return alpha / (rankStabilized ? rank.squareRoot() : rank)
  }
}

extension AdapterSettings {
  /// The limits of what is believed; far above any real adapter.
  private static let rankLimits = 1...(1 << 16)
  private static let alphaRule = "above 0"

  /// Keys that do not change what a saved adapter computes.
  private static let harmless: Set = [
    "peft_type", "r", "lora_alpha", "lora_dropout", "use_rslora", "target_modules", "exclude_modules", "layers_to_transform",
    "layers_pattern",
    "rank_pattern", "alpha_pattern", "bias", "init_lora_weights", "auto_mapping", "base_model_name_or_path", "revision", "task_type",
    "inference_mode", "peft_version", "megatron_core", "qalora_group_size", "ensure_weight_tying", "eva_config",
  ]

  /// Why keys that do are refused.
  private static let refusals = [
    "use_dora": "DoRA adapters are not supported; only plain LoRA is",
    "lora_bias": "adapters with biases are not supported",
    "fan_in_fan_out": "transposed weights are not supported; those of a Llama are [out, in]",
    "modules_to_save": "modules that were trained whole are not supported; only low-rank pairs are",
    "trainable_token_indices": "trained tokens are not supported; only low-rank pairs are",
    "target_parameters": "adapters of bare parameters are not supported; only those of linear layers are",
    "layer_replication": "replicated layers are not supported",
  ]

  /// How an adapter may have begun. All others (pissa, olora, loftq, …) change the base's weights, so that the adapter fits no other base.
  private static let beginnings: Set = ["gaussian", "eva", "orthogonal"]

  /// - Throws: for every setting that would make the adapter compute something else than this program does.
  init(_ fields: Fields) throws(FormatError) {
    guard let type = try fields.string("peft_type") else { throw fields.error("peft_type", "is missing") }
    guard type == "LORA" else { throw fields.error("peft_type", "'\(type)' is not supported; LORA is") }
    for (name, value) in fields.object.members where !AdapterSettings.harmless.contains(name) && !AdapterSettings.isEmpty(value) {
      throw fields.error(name, AdapterSettings.refusals[name] ?? "is set, and hoof does not know what that makes the adapter compute")
    }
    if let bias = try fields.string("bias"), bias != "none" {
      throw fields.error("bias", "'\(bias)' is not supported; adapters with biases are not")
    }
    if let start = fields["init_lora_weights"], start.bool == nil, !AdapterSettings.beginnings.contains(start.string ?? "") {
      throw fields.error("init_lora_weights", "\(start.text()) changes the base's weights, which is not supported")
    }
    rank = try fields.requiredInt("r", in: AdapterSettings.rankLimits)
    guard let alpha = try fields.double("lora_alpha", AdapterSettings.alphaRule, where: { $0 > 0 }) else {
      throw fields.error("lora_alpha", "is missing")
    }
    self.alpha = alpha
    dropout = try fields.double("lora_dropout", "from 0 to below 1", where: { 0 <= $0 && $0 < 1 }) ?? 0
    rankStabilized = try fields.bool("use_rslora") ?? false
    targets = try AdapterTargets(fields)
    if let patterns = try fields.fields("rank_pattern") {
      for name in patterns.object.names {
        ranks.append((try ModuleName(pattern: name, in: patterns), try patterns.requiredInt(name, in: AdapterSettings.rankLimits)))
      }
    }
    if let patterns = try fields.fields("alpha_pattern") {
      for name in patterns.object.names {
        guard let alpha = try patterns.double(name, AdapterSettings.alphaRule, where: { $0 > 0 }) else {
          throw patterns.error(name, "must be a number")
        }
        alphas.append((try ModuleName(pattern: name, in: patterns), alpha))
      }
    }
  }

  private static func isEmpty(_ value: JSON) -> Bool {
    switch value {
    case .null, .bool(false): true
    case .string(let text): text.isEmpty
    case .array(let values): values.isEmpty
    case .object(let object): object.count == 0
    default: false
    }
  }

  /// adapter_config.json as PEFT writes it, with every key that it reads.
  var json: JSON {
    func patterns<Value>(_ list: [(module: ModuleName, value: Value)], _ json: (Value) -> JSON) -> JSON {
      var object: JSON.Object = [:]
      for (module, value) in list { object[module.text] = json(value) }
      return .object(object)
    }
    var object: JSON.Object = [
      "alpha_pattern": patterns(alphas) { .double($0) }, "auto_mapping": nil, "base_model_name_or_path": nil, "bias": "none",
      "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
      // PEFT declares a whole number and takes any.
      "lora_alpha": Int(exactly: alpha).map { .int($0) } ?? .double(alpha), "lora_dropout": .double(dropout), "modules_to_save": nil,
      "peft_type": "LORA", "r": .int(rank), "rank_pattern": patterns(ranks) { .int($0) }, "task_type": "CAUSAL_LM", "use_dora": false,
      "use_rslora": .bool(rankStabilized),
    ]
    for (name, value) in targets.json.members { object[name] = value }
    return .object(object)
  }
}
