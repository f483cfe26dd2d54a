import TensorCore

extension RemovalSearch {
  /// KL(full ‖ gated), and its slope as the gate's start moves, over some of the prompts: means over their positions.
  /// - Parameter name: under which the journal keeps them.
  func slope(
    of gate: ConcaveGate, prompts range: Range<Int>, rowsPerChunk: Int, journaledAs name: String, monitor: Monitor
  ) throws -> (divergence: Double, slope: Double) {
    let count = model.layers.count
    let rows = prompts[range].map(\.count)
    let share = Double(rows.reduce(0, +)) / Double(prompts.reduce(0) { $0 + $1.count })
    cost.count(gated: model.config, from: GatedPass.first(gate.values(layers: count)), share: share)
    let known = journal?.numbers(name).flatMap { $0.count == 2 ? $0 : nil }
    let numbers: [Double]
    if let known {
      numbers = known
    } else {
      numbers = try measure(gate, range, rowsPerChunk, monitor)
      try journal?.append(numbers, named: name)
    }
    let flops = StudyCost(model.config, lengths: rows).full * 3
    try monitor(StudyProgress(flops: flops, activity: "moving the gate", isKnown: known != nil))
    return (numbers[0], numbers[1])
  }

  /// All at once, or in ever smaller pieces when memory runs out.
  private func measure(_ gate: ConcaveGate, _ range: Range<Int>, _ rowsPerChunk: Int, _ monitor: Monitor) throws -> [Double] {
    let (values, slopes) = (gate.values(layers: model.layers.count), gate.slopes(layers: model.layers.count))
    let group = try PromptGroup(prompts: range, of: prompts, on: model.backend)
    do {
      let pass = try GatedPass(model, group, gates: values, rowsPerChunk: rowsPerChunk)
      return [pass.divergence, zip(pass.slopes, slopes).reduce(0) { $0 + $1.0 * $1.1 }]
    } catch {
      guard case .outOfMemory(let requested, let free) = error else { throw error }
      guard range.count > 1 else { throw StudyError.doesNotFit(prompts: 1, rows: group.rows, requested: requested, free: free) }
      let middle = range.lowerBound + range.count / 2
      try monitor(StudyProgress(flops: 0, activity: "", note: "out of memory: going on with \(range.count / 2) prompts at a time"))
      let halves = [range.lowerBound..<middle, middle..<range.upperBound]
      var sums = [0.0, 0.0]
      for half in halves {
        let weight = Double(prompts[half].reduce(0) { $0 + $1.count }) / Double(group.rows)
        for (index, value) in try measure(gate, half, rowsPerChunk, monitor).enumerated() { sums[index] += weight * value }
      }
      return sums
    }
  }
}
