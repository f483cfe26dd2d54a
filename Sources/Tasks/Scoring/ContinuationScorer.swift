import Evaluation
import TensorCore
import Transformer

/// ln p of many continuations, by one model or by several at the same positions. Requests are put in an order in which those that begin alike
/// are neighbours, and cut in batches of so many new tokens; `ScoringTree` says what each batch shares, and what the next one takes over.
public struct ContinuationScorer {
  /// The first is the one that others are compared with.
  public let models: [Llama]
  private let backend: any ComputeBackend
  /// By model.
  private var storage: [KeyValueRows] = []
  /// What the next batch begins with, by model.
  private var carried: [KeyValueRows] = []
  /// New tokens of a batch.
  private var rowsPerBatch: Int
  private var rowsPerChunk = 256

  /// Enough rows for the matrix products of a CPU, in two or three passes.
  private static let usefulRows = 2048
  /// Rows of keys and values for each new row: questions with long examples in front have many.
  private static let keysPerRow = 4
  private static let leastChunk = 32

  /// - Parameters:
  ///   - models: one or more, of the same vocabulary on the same backend.
  ///   - rowsPerBatch: nil takes what the device has use and room for.
  public init(_ models: [Llama], rowsPerBatch: Int? = nil) {
    precondition(
      !models.isEmpty && models.allSatisfy { $0.config.vocabularySize == models[0].config.vocabularySize }, "scorer: vocabularies")
    self.models = models
    let backend = models[0].backend
    self.backend = backend
    let perRow = models.reduce(0) {
      $0 + KeyValueRows.byteCount($1.config, rows: ContinuationScorer.keysPerRow, on: backend)
        + $1.config.workspacePerRow(activations: backend.activations)
    }
    let room = backend.memory().free / 2 / max(1, perRow)
    self.rowsPerBatch = max(1, rowsPerBatch ?? min(backend.usefulRows.map { 2 * $0 } ?? ContinuationScorer.usefulRows, room))
  }

  /// Scores by model and request, in the order of the requests.
  /// - Parameters:
  ///   - chosen: the models that are asked, the first of all among them and in front; nil asks all.
  ///   - monitor: hears how many requests were finished; throwing ends the work.
  /// - Throws: `BackendError`, `EvaluationError.doesNotFit`, or what the monitor throws.
  public mutating func scores(
    of requests: [ScoringRequest], by chosen: [Int]? = nil, monitor: (ScoringEvent) throws -> Void = { _ in }
  ) throws -> [[ContinuationScore]] {
    let chosen = chosen ?? Array(models.indices)
    precondition(chosen.first == 0 && Set(chosen).count == chosen.count, "scorer: models \(chosen)")
    let longest = requests.map(\.input.count).max() ?? 0
    var scores = Array(repeating: Array(repeating: ContinuationScore(), count: requests.count), count: chosen.count)
    let order = requests.indices.sorted { requests[$0].input.lexicographicallyPrecedes(requests[$1].input) }
    var done = 0
    // The last input that was read, whose keys and values lie in the storage, and where.
    var last: (input: ArraySlice<Int32>, start: Int)?
    while done < order.count {
      let batch = batch(order[done...], requests, keys: keyRows(longest: longest))
      let parts = batch.map { requests[$0] }
      let held = last.map { shared(with: $0.input, parts) } ?? 0
      let tree = ScoringTree(parts.map(\.input), held: held)
      do throws(BackendError) {
        try reserve(longest: longest)
        if let last, held > 0 { for model in chosen { take(held, from: last.start, to: tree, by: model) } }
        let found = try run(tree, parts, chosen)
        for model in chosen.indices { for (index, request) in batch.enumerated() { scores[model][request] = found[model][index] } }
      } catch {
        guard case .outOfMemory(let requested, let free) = error else { throw error }
        guard shrink() else { throw EvaluationError.doesNotFit(rows: parts[0].input.count, requested: requested, free: free) }
        try monitor(.note("out of memory: going on with batches of \(rowsPerBatch) rows, \(rowsPerChunk) rows of logits"))
        (storage, carried, last) = ([], [], nil)
        continue
      }
      done += batch.count
      last = (parts.last!.input, tree.branches[tree.paths.last!.last!].start)
      try monitor(.requests(batch.count))
    }
    return scores
  }

  /// Rows of keys and values that a batch has room for; one request always fits.
  private func keyRows(longest: Int) -> Int { max(longest, rowsPerBatch * ContinuationScorer.keysPerRow) }

  private mutating func reserve(longest: Int) throws(BackendError) {
    if let taken = carried.first?.rows, taken >= longest { return }
    (storage, carried) = ([], [])
    for model in models {
      storage.append(try KeyValueRows(model.config, rows: keyRows(longest: longest), on: backend))
      carried.append(try KeyValueRows(model.config, rows: longest, on: backend))
    }
  }

  /// As many requests as fill a batch; at least one.
  private func batch(_ order: ArraySlice<Int>, _ requests: [ScoringRequest], keys most: Int) -> [Int] {
    var (fresh, keys) = (0, 0)
    var batch: [Int] = []
    for index in order {
      let input = requests[index].input
      let common = batch.last.map { ScoringTree.common(requests[$0].input, input) } ?? 0
      fresh += input.count - (common < ScoringTree.leastShared ? 0 : common)
      // One path each, at most.
      if common < input.count || batch.isEmpty { keys += input.count }
      if !batch.isEmpty, fresh > rowsPerBatch || keys > most { break }
      batch.append(index)
    }
    return batch
  }

  /// Tokens of the last batch's end that all of this one's beginnings can go on from; none of them may be scored again.
  private func shared(with last: ArraySlice<Int32>, _ parts: [ScoringRequest]) -> Int {
    var shared = ScoringTree.common(last, parts[0].input)
    for part in parts {
      let own = ScoringTree.common(part.input.prefix(shared), parts[0].input)
      if own > part.scoredRows.lowerBound { shared = min(shared, part.scoredRows.lowerBound) }
    }
    return shared < ScoringTree.leastShared ? 0 : shared
  }

  /// Moves what the batch begins with to where its tree wants it; places may overlap, so that it goes by way of the other storage.
  private func take(_ count: Int, from start: Int, to tree: ScoringTree, by model: Int) {
    let (rows, other) = (storage[model], carried[model])
    rows.copy(start..<start + count, to: 0, of: other)
    other.copy(0..<count, to: tree.branches[0].start, of: rows)
  }

  private mutating func shrink() -> Bool {
    guard rowsPerBatch > 1 || rowsPerChunk > ContinuationScorer.leastChunk else { return false }
    rowsPerBatch = max(1, rowsPerBatch / 2)
    rowsPerChunk = max(ContinuationScorer.leastChunk, rowsPerChunk / 2)
    return true
  }

  /// One batch: level by level, every model reads the branches and says what it thinks of the rows that are scored.
  private func run(
    _ tree: ScoringTree, _ requests: [ScoringRequest], _ chosen: [Int]
  ) throws(BackendError) -> [[ContinuationScore]] {
    var scores = Array(repeating: Array(repeating: ContinuationScore(), count: requests.count), count: chosen.count)
    let rowsBefore = firstRows(tree)
    var levels = Array(repeating: [ScoredRow](), count: tree.levels)
    for (index, request) in requests.enumerated() {
      for position in request.scoredRows {
        let place = tree.place(of: position, in: index)
        levels[tree.branches[place.branch].level].append(
          ScoredRow(row: Int32(rowsBefore[place.branch] + place.row), target: request.tokens[position + 1], request: index))
      }
    }
    for (level, scored) in levels.enumerated() {
      let branches = tree.level(level)
      let moves = branches.compactMap { path(to: $0, of: tree) }
      let rows = Set(scored.map(\.row)).sorted()
      var hidden: [Tensor] = []
      for model in chosen {
        try storage[model].copy(moves)
        hidden.append(try read(branches, of: tree, requests, by: model, keeping: rows))
      }
      if !rows.isEmpty { try compare(hidden, by: chosen, rows, scored, into: &scores) }
    }
    return scores
  }

  /// A row that predicts a scored token; choices have one in common, where they part.
  private struct ScoredRow {
    /// Of its level's pass.
    var row: Int32
    var target: Int32
    var request: Int
  }

  /// Rows of a level's pass before each branch.
  private func firstRows(_ tree: ScoringTree) -> [Int] {
    var counts = Array(repeating: 0, count: max(1, tree.levels))
    return tree.branches.map { branch in
      guard !branch.isHeld else { return 0 }
      defer { counts[branch.level] += branch.depth.count }
      return counts[branch.level]
    }
  }

  /// What stands before a branch, where it does not go on in its parent's place.
  private func path(to index: Int, of tree: ScoringTree) -> KeyValueRows.Move? {
    let branch = tree.branches[index]
    guard let parent = branch.parent.map({ tree.branches[$0] }), parent.start != branch.start else { return nil }
    return .init(parent.start..<parent.start + branch.depth.lowerBound, to: branch.start)
  }

  /// What the LM head reads at the rows that are scored, [R, C].
  private func read(
    _ branches: [Int], of tree: ScoringTree, _ requests: [ScoringRequest], by index: Int, keeping rows: [Int32]
  ) throws(BackendError) -> Tensor {
    let model = models[index]
    let parts = branches.map { tree.branches[$0] }
    let pass = try storage[index].pass(parts.map { .init(start: $0.start, held: $0.depth.lowerBound, count: $0.depth.count) })
    var ids: [Int32] = []
    for part in parts {
      let input = requests[part.request].input
      ids += input[input.startIndex + part.depth.lowerBound..<input.startIndex + part.depth.upperBound]
    }
    return try model.hidden(Tensor(ids, on: backend), pass.layout, rows: rows, in: Eager(ownsStream: true, cache: pass))
  }

  /// Adds up what the models predict at the rows of one level.
  private func compare(
    _ hidden: [Tensor], by chosen: [Int], _ rows: [Int32], _ scored: [ScoredRow], into scores: inout [[ContinuationScore]]
  ) throws(BackendError) {
    // Sorted, so that those of one row are neighbours, and the first of them counts the position.
    let scored = scored.sorted { $0.row < $1.row }
    var places: [Int32] = []
    for row in scored { places.append(places.isEmpty ? 0 : rows[Int(places.last!)] == row.row ? places.last! : places.last! + 1) }
    let logits = try Tensor(min(rowsPerChunk, scored.count), models[0].config.vocabularySize, on: backend)
    for start in stride(from: 0, to: scored.count, by: rowsPerChunk) {
      let part = start..<min(start + rowsPerChunk, scored.count)
      let chunk = logits.rows(0..<part.count)
      let targets = try Tensor(scored[part].map(\.target), on: backend)
      let (losses, winners) = (try Tensor(part.count, 1, on: backend), try Tensor(part.count, 1, .i32, on: backend))
      let gathered = try Tensor(Array(places[part]), on: backend)
      backend.matmul(try hidden[0].gathered(at: gathered), models[0].head, transpose: .right, beta: 0, into: chunk)
      backend.crossEntropy(logits: chunk, targets: targets, scale: 1, into: losses, dLogits: nil)
      backend.rowArgmax(chunk, into: winners)
      let before = start == 0 ? -1 : scored[start - 1].row
      add(try losses.floats(), try winners.ints(), nil, scored[part], before: before, into: &scores[0])
      for (place, model) in chosen.enumerated().dropFirst() {
        let found = DivergenceRows(divergences: try Tensor(part.count, 1, on: backend), losses: losses, winners: winners)
        try backend.linearDivergence(
          of: .logits(chunk), from: hidden[place].gathered(at: gathered), weight: models[model].head, targets: targets,
          rowsPerChunk: rowsPerChunk, into: found)
        add(
          try losses.floats(), try winners.ints(), try found.divergences.floats(), scored[part], before: before, into: &scores[place])
      }
    }
  }

  /// - Parameter before: the row scored before these.
  private func add(
    _ losses: [Float], _ winners: [Int32], _ divergences: [Float]?, _ rows: ArraySlice<ScoredRow>, before: Int32,
    into scores: inout [ContinuationScore]
  ) {
    var last = before
    for (index, row) in rows.enumerated() {
      scores[row.request].logLikelihood -= Double(losses[index])
      if winners[index] != row.target { scores[row.request].isGreedy = false }
      guard row.row != last else { continue }
      last = row.row
      scores[row.request].positions += 1
      if let divergences { scores[row.request].divergence += Double(divergences[index]) }
    }
  }
}
