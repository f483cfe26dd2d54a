import Testing
import Training

/// Which examples come when.
struct BatchOrderTests {
  /// Example i has the ids i, 1, 2, … of 2 + i % `lengths` in all.
  private func examples(_ count: Int, lengths: Int = 1) -> [TrainingExample] {
    (0..<count).map { index in
      let ids = [Int32(index)] + (0...index % lengths).map { Int32($0) }
      return TrainingExample(ids: ids, isScored: [false] + ids.dropFirst().map { _ in true }, place: "line \(index)")
    }
  }

  /// The examples that a step sees, by number, batch by batch.
  private func seen(_ order: BatchOrder, _ step: Int) -> [[Int32]] { order.batches(step: step).map { $0.sequences.map { $0[0] } } }

  @Test("every epoch holds every example once, in an order of its own, whatever the batches", arguments: [1, 2, 7, 64, 100, 1000])
  func epochs(count: Int) {
    for (batch, accumulation) in [(1, 1), (3, 1), (4, 2), (count + 1, 1)] {
      let order = BatchOrder(examples(count), batch: batch, accumulation: accumulation, seed: 5)
      let row = (1...order.steps(epochs: 3)).flatMap { seen(order, $0).joined() }
      let epochs = (0..<3).map { Array(row[$0 * count..<($0 + 1) * count]) }
      for epoch in epochs { #expect(epoch.sorted() == Array(0..<Int32(count))) }
      if count > 7 { #expect(Set(epochs).count == 3) }
    }
  }

  @Test("a step's batches do not depend on what was asked before, and do on the seed")
  func pure() {
    let order = BatchOrder(examples(50), batch: 4, accumulation: 2, seed: 1)
    let late = order.batches(step: 77)
    let fresh = BatchOrder(examples(50), batch: 4, accumulation: 2, seed: 1)
    for step in 1...77 { _ = fresh.batches(step: step) }
    #expect(fresh.batches(step: 77) == late && late.count == 2 && late.allSatisfy { $0.sequences.count == 4 })
    #expect(BatchOrder(examples(50), batch: 4, accumulation: 2, seed: 2).batches(step: 77) != late)
    // Accumulation joins batches, and changes no order.
    let single = BatchOrder(examples(50), batch: 4, accumulation: 1, seed: 1)
    #expect(seen(single, 153) + seen(single, 154) == seen(order, 77))
  }

  @Test("orders of one seed are not alike: places and examples are independent of each other")
  func spread() {
    // Each of 20 examples at each of 20 places, over 2000 epochs: 100 times ± 10 (√(2000·0.05·0.95) = 9.7); five times that is never reached.
    var counts = [Int](repeating: 0, count: 400)
    let order = BatchOrder(examples(20), batch: 20, accumulation: 1, seed: 11)
    for step in 1...2000 {
      for (place, example) in seen(order, step)[0].enumerated() { counts[20 * place + Int(example)] += 1 }
    }
    #expect(counts.allSatisfy { abs($0 - 100) < 49 }, "\(counts.min()!)...\(counts.max()!)")
    // Of two examples, one stands before the other in half of the epochs: 1000 ± 22.
    let first = (1...2000).count { step in seen(order, step)[0].first { $0 == 3 || $0 == 4 } == 3 }
    #expect(abs(first - 1000) < 112, "\(first)")
  }

  @Test("batches by rows take the next examples as long as they fit, across epochs too")
  func tokens() {
    let all = examples(23, lengths: 9)
    let order = BatchOrder(all, size: .tokens(20), accumulation: 2, seed: 4)
    let steps = order.steps(epochs: 4)
    let batches = (1...steps).flatMap { order.batches(step: $0) }
    #expect(batches.allSatisfy { $0.tokens <= 20 && !$0.sequences.isEmpty })
    for (batch, next) in zip(batches, batches.dropFirst()) { #expect(batch.tokens + next.sequences[0].count > 20) }
    let row = batches.flatMap { $0.sequences.map { $0[0] } }
    #expect(row.count >= 4 * 23)
    for epoch in 0..<4 { #expect(row[epoch * 23..<(epoch + 1) * 23].sorted() == Array(0..<23)) }
    #expect(order.epochs(after: steps) >= 4 && order.epochs(after: steps - 1) < 4 && order.epochs(after: 0) == 0)
    // The same order of examples as with batches of a fixed number.
    let fixed = BatchOrder(all, batch: 23, accumulation: 1, seed: 4)
    #expect(Array(row.prefix(46)) == (seen(fixed, 1) + seen(fixed, 2)).flatMap { $0 })
    // One that never fits stands alone.
    let narrow = BatchOrder(all, size: .tokens(3), accumulation: 1, seed: 4)
    #expect((1...40).allSatisfy { narrow.batches(step: $0)[0].sequences.count == 1 || narrow.batches(step: $0)[0].tokens <= 3 })
  }

  @Test("steps and epochs count the same", arguments: [(10, 5, 1, 2), (10, 4, 1, 3), (10, 4, 2, 2), (3, 8, 2, 1)])
  func steps(count: Int, batch: Int, accumulation: Int, expected: Int) {
    let order = BatchOrder(examples(count), batch: batch, accumulation: accumulation, seed: 0)
    #expect(order.steps(epochs: 1) == expected)
    #expect(order.epochs(after: expected) == Double(expected * batch * accumulation) / Double(count))
  }

  @Test("a batch's targets are the next ids where they are scored; the last id goes into no pass")
  func targets() {
    let batch = TrainingBatch([
      TrainingExample(ids: [5, 6, 7, 8], isScored: [false, false, true, true], place: "line 1"),
      TrainingExample(ids: [9, 1], isScored: [false, true], place: "line 2"),
    ])
    #expect(batch.sequences == [[5, 6, 7], [9]] && batch.targets == [[-1, 7, 8], [1]] && batch.tokens == 4 && batch.scored == 3)
  }
}
