import TensorCore
import Transformer

/// A step of a measurement.
public enum ScoringProgress: Sendable {
  /// Rows that went through the model.
  case rows(Int)
  /// Something the user should know; nothing was finished then.
  case note(String)
}

/// -ln p of the scored tokens of one window, nats.
struct WindowLoss: Sendable, Equatable {
  var tokens = 0
  var sum = 0.0
  /// Σ (ln p)²
  var squares = 0.0
}

/// Runs windows through a model, several side by side. On the device there is one batch at a time, and a few rows of its logits.
struct WindowScorer {
  typealias Monitor = (ScoringProgress) throws -> Void

  let model: Llama
  private(set) var rowsPerBatch: Int
  private var rowsPerChunk = 256

  /// Enough rows for the matrix products of a CPU; more would only make Ctrl-C wait.
  private static let usefulRows = 1024
  private static let leastChunk = 32

  /// - Parameter rowsPerBatch: nil takes what the device has use and room for; a batch holds one window at least.
  init(_ model: Llama, rowsPerBatch: Int? = nil) {
    self.model = model
    let perRow = model.config.workspacePerRow(activations: model.backend.activations)
    let room = model.backend.memory().free / 2 / perRow
    self.rowsPerBatch = max(1, rowsPerBatch ?? min(model.backend.usefulRows ?? WindowScorer.usefulRows, room))
  }

  /// One loss per window, in order. A batch that finds no memory is halved and run again.
  /// - Throws: `BackendError`, `EvaluationError.doesNotFit`, or what the monitor throws.
  mutating func losses(of windows: [TextWindow], in text: [Int32], monitor: Monitor) throws -> [WindowLoss] {
    var losses: [WindowLoss] = []
    while losses.count < windows.count {
      let batch = next(windows[losses.count...])
      let rows = batch.reduce(0) { $0 + $1.rows }
      do throws(BackendError) { losses += try run(batch, text) } catch {
        guard case .outOfMemory(let requested, let free) = error else { throw error }
        guard shrink(batch) else { throw EvaluationError.doesNotFit(rows: rows, requested: requested, free: free) }
        try monitor(.note("out of memory: going on with batches of \(rowsPerBatch) rows, \(rowsPerChunk) rows of logits"))
        continue
      }
      try monitor(.rows(rows))
    }
    return losses
  }

  /// As many windows as fill a batch.
  private func next(_ windows: ArraySlice<TextWindow>) -> ArraySlice<TextWindow> {
    var rows = 0
    return windows.prefix(while: { window in
      rows += window.rows
      return rows == window.rows || rows <= rowsPerBatch
    })
  }

  private mutating func shrink(_ batch: ArraySlice<TextWindow>) -> Bool {
    guard batch.count > 1 || rowsPerChunk > WindowScorer.leastChunk else { return false }
    rowsPerBatch = max(1, batch.reduce(0) { $0 + $1.rows } / 2)
    rowsPerChunk = max(WindowScorer.leastChunk, rowsPerChunk / 2)
    return true
  }

  private func run(_ batch: ArraySlice<TextWindow>, _ text: [Int32]) throws(BackendError) -> [WindowLoss] {
    let backend = model.backend
    let sequences = batch.map { $0.ids(in: text) }
    let layout = try PackedLayout(lengths: batch.map(\.rows), on: backend)
    let ids = try Tensor(sequences.flatMap { $0.dropLast() }, on: backend)
    let graph = Eager(ownsStream: true)
    var x = try model.run(model.embed(ids, in: graph), layout, layers: 0..<model.layers.count, in: graph)

    // Only rows that predict a scored token go through the LM head: half of them with some protocols.
    var scored: [Int32] = []
    var targets: [Int32] = []
    var start = 0
    for (window, sequence) in zip(batch, sequences) {
      scored.append(contentsOf: Int32(start + window.firstScored - 1)..<Int32(start + window.rows))
      targets += sequence[window.firstScored...]
      start += window.rows
    }
    if scored.count < x.rows { x = try x.gathered(at: Tensor(scored, on: backend)) }
    let losses = try Tensor(x.rows, 1, on: backend)
    try backend.linearCrossEntropy(
      hidden: model.finish(x, in: graph), weight: model.head, targets: Tensor(targets, on: backend), scale: 1, rowsPerChunk: rowsPerChunk,
      into: losses, dHidden: nil, dWeight: nil)

    var values = try losses.floats()[...]
    return batch.map { window in
      defer { values = values.dropFirst(window.scored) }
      return values.prefix(window.scored).reduce(into: WindowLoss()) { loss, value in
        loss.tokens += 1
        loss.sum += Double(value)
        loss.squares += Double(value) * Double(value)
      }
    }
  }
}
