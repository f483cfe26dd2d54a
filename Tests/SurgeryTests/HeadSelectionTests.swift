import BackendCPU
import Formats
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

struct HeadSelectionTests {
  private static func config(_ queryHeads: Int, _ keyHeads: Int) -> LlamaConfig {
    LlamaConfig(
      hiddenSize: 32, headDim: 8, vocabularySize: 96, contextLength: 128, tiedEmbeddings: true,
      layers: [
        .init(queryHeads: queryHeads, keyHeads: keyHeads, intermediateSize: 64), .init(queryHeads: 0, keyHeads: 0, intermediateSize: 64),
      ])
  }

  @Test("whole groups go, or as many of each group; one stays; layers without attention lose nothing")
  func regularity() {
    let scores = HeadScores(heads: [[0.5, 0.1, 0.9, 0.8, 0.2, 0.3, 0.4, 0.6], []], groups: [[3, 1, 2, 4], []])
    let selection = HeadSelection(scores, of: Self.config(8, 4))
    #expect(selection.groups(0.25) == [0: [2, 3]])
    #expect(selection.groups(0.99) == [0: [0, 1, 2, 3, 4, 5]])
    #expect(selection.each(0.5) == [0: [1, 3, 4, 6]] && selection.each(0.99) == selection.each(0.5))
    #expect(selection.each(0.4) == [:])
    // Minitron's choice: inside groups where there are any.
    #expect(selection.regular(0.5) == selection.each(0.5))
    let single = HeadSelection(HeadScores(heads: [], groups: [[2, 1], []]), of: Self.config(2, 2))
    #expect(single.regular(0.5) == [0: [1]])
  }

  @Test("heads that would leave groups uneven are refused with what could go instead")
  func objections() {
    let layer = LlamaConfig.Layer(queryHeads: 8, keyHeads: 4, intermediateSize: 64)
    #expect(HeadSelection.objection(to: [2, 3], of: layer) == nil && HeadSelection.objection(to: [0, 3, 4, 7], of: layer) == nil)
    #expect(HeadSelection.objection(to: Set(0..<8), of: layer) == nil)
    let uneven = HeadSelection.objection(to: [3], of: layer) ?? ""
    #expect(uneven.contains("heads 2-3 form such a group") && uneven.contains("0,2,4,6"), "\(uneven)")
    #expect(HeadSelection.objection(to: [8], of: layer)?.contains("there is no head 8") == true)
    let cut = LlamaConfig.Layer(queryHeads: 0, keyHeads: 0, intermediateSize: 64)
    #expect(HeadSelection.objection(to: [0], of: cut)?.contains("cut already") == true)
  }

  @Test(
    "scores of heads and groups are what their formulas say", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)),
    arguments: ["stories260K", "talespin-tiny"])
  func formulas(name: String) throws {
    let (model, prompts, plan) = try NeuronScoreTests.subject(name, count: 8)
    let dim = model.config.headDim
    var squares = model.config.layers.map { [Double](repeating: 0, count: $0.queryHeads * dim) }
    var norms = model.config.layers.map { [Double](repeating: 0, count: $0.keyHeads) }
    for prompt in prompts {
      for (layer, rows) in try NeuronScoreTests.rows(model, prompt, at: .headsOut).enumerated() {
        let shape = model.layers[layer].attention!.shape
        let output = try model.layers[layer].attention!.output.floats().map(Double.init)
        let width = shape.queryHeads * dim
        for column in 0..<width {
          let mean = rows.reduce(0) { $0 + abs($1[column]) } / Double(rows.count)
          squares[layer][column] += mean * mean
        }
        for (group, row) in (0..<shape.keyHeads).flatMap({ group in rows.map { (group, $0) } }) {
          let columns = group * width / shape.keyHeads..<(group + 1) * width / shape.keyHeads
          let update = stride(from: 0, to: output.count, by: width).map { start in
            columns.reduce(0) { $0 + output[start + $1] * row[$1] }
          }
          norms[layer][group] += update.reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
      }
    }
    let scores = try HeadScores(model, prompts: prompts, plan: plan)
    let heads = squares.map { columns in
      stride(from: 0, to: columns.count, by: dim).map { columns[$0..<$0 + dim].reduce(0, +).squareRoot() }
    }
    let tokens = Double(prompts.reduce(0) { $0 + $1.count })
    // Sums of a few hundred float32 values in another order.
    #expect(NeuronScoreTests.error(scores.heads, heads) < 1e-5)
    #expect(NeuronScoreTests.error(scores.groups, norms.map { $0.map { $0 / tokens } }) < 1e-5)
  }
}
