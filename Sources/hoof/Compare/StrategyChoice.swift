import Terminal

/// A cut that was asked for: by which method, how much.
struct StrategyChoice: Equatable {
  enum Amount: Equatable {
    case layers(Int)
    /// Of the neurons or of the width.
    case share(Double)
  }

  let strategy: String
  let amount: Amount

  var amountText: String {
    switch amount {
    case .layers(let count): "\(count)"
    case .share(let share): StrategyChoice.percent(share)
    }
  }

  /// As the table calls it: "tail −3".
  var label: String { "\(strategy) −\(amountText)" }

  /// "10 %", "2.5 %"
  private static func percent(_ share: Double) -> String {
    let percent = 100 * share
    return percent.fixed((percent - percent.rounded()).magnitude < 1e-9 ? 0 : 1) + " %"
  }

  /// The cuts that --strategies, --drop and --ratio ask for, in their order; none without --strategies.
  /// - Parameter layers: how many the base has.
  static func all(_ arguments: Arguments, layers: Int) throws(UsageError) -> [StrategyChoice] {
    func fail(_ reason: String) -> UsageError { UsageError(command: arguments.command, reason) }
    guard let list = arguments.string("strategies") else {
      for option in ["drop", "ratio", "calibration"] where arguments.has(option) {
        throw fail("--\(option) goes with --strategies")
      }
      return []
    }
    let (drops, shares) = (arguments.indices("drop") ?? [], try readShares(arguments))
    var choices: [StrategyChoice] = []
    for entry in list.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let name = parts.first ?? ""
      guard let strategy = Strategies.all.first(where: { $0.name == name }) else {
        let hint = UsageError.suggestion(for: name, in: Strategies.all.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
        throw fail("--strategies: there is no strategy '\(name)'\(hint); there are \(Strategies.names)")
      }
      let amounts: [Amount]
      if parts.count == 2 {
        amounts = [try readAmount(parts[1], of: strategy, arguments)]
      } else if strategy.narrows {
        amounts = shares.map { .share($0) }
        if shares.isEmpty { throw fail("--ratio is missing: what share '\(name)' removes, as in --ratio 0.1,0.2") }
      } else {
        amounts = drops.map { .layers($0) }
        if drops.isEmpty { throw fail("--drop is missing: how many layers '\(name)' removes, as in --drop 1,3") }
      }
      for amount in amounts {
        if case .layers(let count) = amount, !(1..<layers).contains(count) {
          let reason = layers == 1 ? "and it has to stay" : "1 to \(layers - 1) can go"
          throw fail("--drop: \(count) of \(layers) layer\(layers == 1 ? "" : "s") cannot be removed; \(reason)")
        }
        let choice = StrategyChoice(strategy: name, amount: amount)
        if choices.contains(choice) { throw fail("--strategies: '\(choice.label)' is there twice") }
        choices.append(choice)
      }
    }
    return choices
  }

  private static func readAmount(_ text: String, of strategy: Strategies.Strategy, _ arguments: Arguments) throws(UsageError) -> Amount {
    if strategy.narrows { return .share(try readShare(text, "--strategies", arguments)) }
    guard let count = Int(text) else {
      throw UsageError(
        command: arguments.command, "--strategies: '\(strategy.name):\(text)': expected a number of layers, as in \(strategy.name):3")
    }
    return .layers(count)
  }

  private static func readShares(_ arguments: Arguments) throws(UsageError) -> [Double] {
    guard let list = arguments.string("ratio") else { return [] }
    var shares: [Double] = []
    for text in list.split(separator: ",", omittingEmptySubsequences: false) {
      shares.append(try readShare(String(text), "--ratio", arguments))
    }
    return shares
  }

  private static func readShare(_ text: String, _ option: String, _ arguments: Arguments) throws(UsageError) -> Double {
    guard let share = Double(text), share > 0, share < 1 else {
      throw UsageError(command: arguments.command, "\(option): expected a share between 0 and 1, not '\(text)'")
    }
    return share
  }
}
