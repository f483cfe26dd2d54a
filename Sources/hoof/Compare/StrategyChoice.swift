import Spelling
import Surgery
import Terminal

/// A cut that was asked for: by which method, how much.
struct StrategyChoice: Equatable {
  enum Amount: Equatable {
    /// Layers or sublayers, whichever the method cuts.
    case units(Int)
    /// Of the neurons or of the width.
    case share(Double)
  }

  let method: PruneMethod
  let amount: Amount

  static var names: String { PruneMethod.allCases.map(\.rawValue).joined(separator: ", ") }

  var units: Int? { if case .units(let count) = amount { count } else { nil } }

  var amountText: String {
    switch amount {
    // A table's usual unit needs no name.
    case .units(let count): method.facts.unit == .layers ? "\(count)" : count == 1 ? "1 sublayer" : "\(count) sublayers"
    case .share(let share): StrategyChoice.percent(share)
    }
  }

  /// As the table calls it: "tail −3".
  var label: String { "\(method.rawValue) −\(amountText)" }

  /// "10 %", "2.5 %"
  private static func percent(_ share: Double) -> String {
    let percent = 100 * share
    return percent.fixed((percent - percent.rounded()).magnitude < 1e-9 ? 0 : 1) + " %"
  }

  /// Units of what the method cuts.
  func count(of pruner: Pruner) throws(PruneError) -> Int {
    let unit = method.facts.unit
    let count = units ?? share(of: pruner.total)
    if count < 1 { throw .tooFew(asked: label, of: pruner.total, unit: unit) }
    if count > pruner.most { throw .tooMany(asked: label, most: pruner.most, of: pruner.total, unit: unit) }
    return count
  }

  private func share(of total: Int) -> Int {
    guard case .share(let share) = amount else { return 0 }
    return Int((share * Double(total)).rounded())
  }
}

/// Reading --strategies, --drop and --ratio.
struct StrategyReader {
  let arguments: Arguments
  /// How many the base has.
  let layers: Int

  /// The cuts that are asked for, in their order; none without --strategies.
  func choices() throws(UsageError) -> [StrategyChoice] {
    guard let list = arguments.string("strategies") else {
      // Patches are fitted on calibration texts, too.
      let dependants = ["drop", "ratio"] + (arguments.has("heal") ? [] : ["calibration"])
      for option in dependants where arguments.has(option) {
        throw fail("--\(option) goes with --strategies")
      }
      return []
    }
    var choices: [StrategyChoice] = []
    for entry in list.split(separator: ",", omittingEmptySubsequences: false) {
      for choice in try read(entry) {
        if choices.contains(choice) { throw fail("--strategies: '\(choice.label)' is there twice") }
        choices.append(choice)
      }
    }
    if !arguments.has("calibration"), let needy = choices.first(where: { $0.method.facts.calibration == .texts }) {
      throw fail("--calibration FILE is missing: '\(needy.method.rawValue)' measures the model on texts")
    }
    return choices
  }

  private func fail(_ reason: String) -> UsageError { UsageError(command: arguments.command, reason) }

  /// "tail" or "tail:3"
  private func read(_ entry: Substring) throws(UsageError) -> [StrategyChoice] {
    let parts = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let name = parts.first ?? ""
    guard let method = PruneMethod(rawValue: name) else {
      let hint = NearestName.hint(for: name, in: PruneMethod.allCases.map(\.rawValue))
      throw fail("--strategies: there is no strategy '\(name)'\(hint); there are \(StrategyChoice.names)")
    }
    let amounts = parts.count == 2 ? [try amount(parts[1], of: method)] : try amounts(of: method)
    return amounts.map { StrategyChoice(method: method, amount: $0) }
  }

  private func amounts(of method: PruneMethod) throws(UsageError) -> [StrategyChoice.Amount] {
    let (unit, name) = (method.facts.unit, method.rawValue)
    switch unit {
    case .layers, .sublayers:
      let usual = arguments.has("heal") ? HealOptions.usualDrops(of: layers) : []
      guard let counts = arguments.indices("drop") ?? (usual.isEmpty ? nil : usual) else {
        throw fail("--drop is missing: how many \(unit.rawValue) '\(name)' removes, as in --drop 1,3")
      }
      for count in counts { try check(count, of: method) }
      return counts.map { .units($0) }
    case .neurons, .width:
      guard let list = arguments.string("ratio") else {
        throw fail("--ratio is missing: what share of the \(unit.rawValue) '\(name)' removes, as in --ratio 0.1,0.2")
      }
      var shares: [StrategyChoice.Amount] = []
      for text in list.split(separator: ",", omittingEmptySubsequences: false) { shares.append(try share(String(text), "--ratio")) }
      return shares
    }
  }

  private func amount(_ text: String, of method: PruneMethod) throws(UsageError) -> StrategyChoice.Amount {
    let unit = method.facts.unit
    if unit == .neurons || unit == .width { return try share(text, "--strategies") }
    guard let count = Int(text) else {
      let name = method.rawValue
      throw fail("--strategies: '\(name):\(text)': expected a number of \(unit.rawValue), as in \(name):3")
    }
    try check(count, of: method)
    return .units(count)
  }

  /// How many sublayers may go, the method knows.
  private func check(_ count: Int, of method: PruneMethod) throws(UsageError) {
    let isLayers = method.facts.unit == .layers
    guard count < 1 || isLayers && count >= layers else { return }
    let reason = layers == 1 ? "it has to stay" : "1 to \(layers - 1) can go"
    throw fail("--drop: \(count) of \(layers) layer\(layers == 1 ? "" : "s") cannot be removed; \(reason)")
  }

  private func share(_ text: String, _ option: String) throws(UsageError) -> StrategyChoice.Amount {
    guard let share = Double(text), share > 0, share < 1 else { throw fail("\(option): expected a share between 0 and 1, not '\(text)'") }
    return .share(share)
  }
}
