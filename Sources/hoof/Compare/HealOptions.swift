import Formats
import Spelling
import Surgery
import Terminal

/// What `hoof compare --heal` asks for: ways of healing, and the budget that all of them have.
struct HealOptions {
  /// `none` first: what the others are compared with.
  let kinds: [Healing.Kind]
  /// nil where nothing is trained or fitted on it.
  let dataPath: String?
  let steps: Int
  /// Texts of a step.
  let batch: Int
  /// Texts are cut at so many tokens; nil for the usual length or the model's context, whichever is less.
  private let maxTokens: Int?
  private let rates: [Healing.Kind: Double]

  static let usualSteps = 200
  static let usualBatch = 8
  static let usualTokens = 128
  static let names = Healing.Kind.allCases.map(\.rawValue)
  private static let dependants = ["heal-data", "heal-steps", "heal-batch", "heal-tokens", "heal-lr"]

  /// nil without --heal.
  init?(_ arguments: Arguments) throws(UsageError) {
    func refuse(_ reason: String) -> UsageError { UsageError(command: arguments.command, reason) }
    guard let list = arguments.string("heal") else {
      for option in HealOptions.dependants where arguments.has(option) { throw refuse("--\(option) goes with --heal") }
      return nil
    }
    var kinds: [Healing.Kind] = []
    for name in list.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      let kind = try HealOptions.kind(name, option: "heal", refuse)
      if kinds.contains(kind) { throw refuse("--heal: '\(name)' is there twice") }
      kinds.append(kind)
    }
    let path = arguments.string("heal-data")
    if path == nil, let needy = kinds.first(where: \.isTrained) {
      throw refuse("--heal-data FILE is missing: the texts that '\(needy.rawValue)' trains on")
    }
    if path == nil, !arguments.has("calibration"), let needy = kinds.first(where: \.needsPatch) {
      throw refuse("'\(needy.rawValue)' is fitted on texts: --calibration FILE or --heal-data FILE is missing")
    }
    self.kinds = [.none] + kinds.filter { $0 != .none }
    dataPath = path
    steps = arguments.int("heal-steps") ?? HealOptions.usualSteps
    batch = arguments.int("heal-batch") ?? HealOptions.usualBatch
    maxTokens = arguments.int("heal-tokens")
    rates = try HealOptions.rates(arguments.string("heal-lr"), refuse)
  }

  func maxTokens(context: Int) -> Int { maxTokens ?? min(HealOptions.usualTokens, context) }

  /// Models that every cut becomes beside itself.
  var count: Int { kinds.count { $0 != .none } }

  /// Of the one model that is trained at a time, at most: its values in 32 bits, their gradients, and two moments.
  func trainingBytes(_ base: ModelSource) -> Int { kinds.contains(where: \.isTrained) ? 16 * base.sizes.parameters : 0 }

  /// Peak learning rate.
  func rate(_ kind: Healing.Kind) -> Double { rates[kind] ?? HealOptions.usualRates[kind] ?? 0 }

  /// What recovered most of talespin-15m without three layers, see benchmarks/results; large models want less.
  private static let usualRates: [Healing.Kind: Double] = [.tunedPatch: 1e-3, .lora: 1e-3, .sft: 5e-5, .distill: 2e-4]

  /// "sft:1e-5,lora:1e-4", or one rate for all
  private static func rates(_ text: String?, _ refuse: (String) -> UsageError) throws(UsageError) -> [Healing.Kind: Double] {
    guard let text else { return [:] }
    var rates: [Healing.Kind: Double] = [:]
    for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let rate = Double(parts.last ?? ""), rate > 0, rate.isFinite else {
        throw refuse("--heal-lr: expected a learning rate, as in 1e-4 or sft:1e-5,lora:1e-4, not '\(entry)'")
      }
      if parts.count == 1 {
        for kind in Healing.Kind.allCases { rates[kind] = rate }
      } else {
        let kind = try kind(parts[0], option: "heal-lr", refuse)
        guard kind.isTrained else { throw refuse("--heal-lr: '\(kind.rawValue)' trains nothing") }
        rates[kind] = rate
      }
    }
    return rates
  }

  private static func kind(_ name: String, option: String, _ refuse: (String) -> UsageError) throws(UsageError) -> Healing.Kind {
    if let kind = Healing.Kind(rawValue: name) { return kind }
    let hint = NearestName.hint(for: name, in: names)
    throw refuse("--\(option): there is no way of healing '\(name)'\(hint); there are \(names.joined(separator: ", "))")
  }

  /// How many layers the cuts of a recovery table remove when nobody says: the usual 4 to 7 of 28 (Llama 3.2 3B), as shares of this
  /// model, rounded outwards: 1, 2 and 3 of 9.
  static func usualDrops(of layers: Int) -> [Int] {
    let (least, most) = (max(1, layers / 7), min(layers - 1, (layers + 3) / 4))
    return least <= most ? Array(least...most) : []
  }
}
