import Surgery
import Testing

/// Which neurons go by their scores.
struct NeuronSelectionTests {
  private static func selection(_ scores: [[Double]], multiple: Int = 4) throws -> NeuronSelection {
    try NeuronSelection(scores: scores, multiple: multiple)
  }

  @Test("a threshold takes what scores below it, and gives the best back until whole blocks are left")
  func threshold() throws {
    let scores = (0..<12).map(Double.init)
    let selection = try Self.selection([scores, scores.reversed(), []])
    // 6 to 11 pass; 8 stay: 4 and 5 as well.
    #expect(try selection.below(6) == [0: [0, 1, 2, 3], 1: [8, 9, 10, 11]])
    #expect(try selection.below(0) == [:])
    #expect(try selection.below(11) == [0: Set(0..<8), 1: Set(4..<12)])
  }

  @Test("a threshold that empties a layer is refused with the layer and the largest that works")
  func empties() throws {
    let selection = try Self.selection([[1, 2, 3, 4, 5], [0.1, 0.23456, 0.2, 0.1, 0]])
    #expect(throws: SelectionError.emptiesLayer(layer: 1, neurons: 5, threshold: 0.5, workable: 0.23456)) { try selection.below(0.5) }
    do {
      _ = try selection.below(0.5)
    } catch {
      #expect(error.description.contains("would empty layer 1") && error.description.hasSuffix("is 0.2345"), "\(error)")
    }
    #expect(try selection.below(0.2345) == [1: [4]])
    #expect(throws: SelectionError.notANumber(layer: 1)) { try Self.selection([[1], [.nan]]) }
  }

  @Test("a ratio takes the share of each layer, or of all, and a block always stays")
  func ratio() throws {
    let low = (0..<8).map { Double($0) / 100 }
    let selection = try Self.selection([low, low.map { $0 + 1 }])
    #expect(selection.share(0.5) == [0: Set(0..<4), 1: Set(0..<4)])
    // 3 of 8 would leave 5: rounded up, all stay.
    #expect(selection.share(0.4) == [:])
    #expect(selection.shareOfAll(0.5) == [0: Set(0..<4)])
    #expect(selection.share(0.99) == [0: Set(0..<4), 1: Set(0..<4)])
    // 0.29 · 100 is 28.999… in binary.
    #expect(NeuronBudget.gone(100, 0.29) == 29)
  }

  @Test("of equal scores the first go; a layer of no whole number of blocks keeps its rest or loses it whole")
  func ties() throws {
    #expect(try Self.selection([[Double](repeating: 1, count: 8)]).share(0.5) == [0: Set(0..<4)])
    let odd = try Self.selection([(0..<10).map(Double.init)])
    #expect(odd.share(0.1) == [:])
    #expect(odd.share(0.2) == [0: [0, 1]])
  }
}
