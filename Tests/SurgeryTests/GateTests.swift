import BackendCPU
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// The concave gate and the search that follows its slope.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)), .serialized)
struct GateTests {
  /// Of all prompts at once.
  private func pass(_ model: Llama, _ prompts: [[Int32]], gates: [Double]) throws -> GatedPass {
    let group = try PromptGroup(prompts: prompts.indices, of: prompts, on: model.backend)
    return try GatedPass(model, group, gates: gates, rowsPerChunk: 100)
  }

  @Test("a gate that is sharp and starts at a layer is shut in its block and open elsewhere; its slope is that of its values")
  func formula() {
    let sharp = ConcaveGate(start: 2, length: 3, sharpness: 60).values(layers: 8)
    #expect(zip(sharp, [1, 1, 0, 0, 0, 1, 1, 1]).allSatisfy { abs($0 - $1) < 1e-12 })
    let step = 1e-5
    for start in [0, 1.3, 2.5, 4.9] {
      for sharpness in [0.5, 1.5, 6] {
        func gate(_ start: Double) -> ConcaveGate { ConcaveGate(start: start, length: 3, sharpness: sharpness) }
        let (lower, upper) = (gate(start - step).values(layers: 8), gate(start + step).values(layers: 8))
        // Central differences of order step²·k³.
        for (slope, ends) in zip(gate(start).slopes(layers: 8), zip(lower, upper)) {
          #expect(abs(slope - (ends.1 - ends.0) / (2 * step)) < 1e-7)
        }
      }
    }
  }

  @Test("gates of 0 and 1 are a cut: the divergence is what a search measures", arguments: ["stories260K", "talespin-tiny"])
  func cut(name: String) throws {
    let search = try #require(try Pruning.pruner(name, PruneOptions(method: .segment), prompts: 6).search)
    for layers in [1..<3, 0..<1, 3..<search.model.layers.count] {
      let gates = search.model.layers.indices.map { layers.contains($0) ? 0.0 : 1 }
      let gated = try pass(search.model, search.prompts, gates: gates).divergence
      let expected = try search.outcome(of: CutPlan(layers: layers)).meanDivergence
      #expect(relativeError(gated, expected) < 1e-5, "layers \(layers): \(gated) for \(expected)")
    }
  }

  @Test("a gate's slope is the divergence's change with it")
  func slopes() throws {
    let source = try Pruning.source("stories260K")
    let model = try Llama(source, on: CPUBackend())
    let prompts = Array(try Pruning.prompts("stories260K").prefix(4))
    let gates = [0.9, 0.4, 0.6, 0.2, 0.7]
    let slopes = try pass(model, prompts, gates: gates).slopes
    for layer in gates.indices {
      func divergence(_ change: Double) throws -> Double {
        var moved = gates
        moved[layer] += change
        return try pass(model, prompts, gates: moved).divergence
      }
      // float32 knows divergences of about 0.5 to 1e-6, so the difference to 1e-4; the third derivative, of the order of 10, adds h²/6 of itself.
      let expected = try (divergence(0.01) - divergence(-0.01)) / 0.02
      #expect(abs(slopes[layer] - expected) < 2e-3 * max(0.5, abs(expected)), "layer \(layer): \(slopes[layer]) for \(expected)")
    }
  }

  @Test("the gate ends in a block that costs little more than the best of all", arguments: [1, 3, 4])
  func search(length: Int) throws {
    var gate = try Pruning.pruner("talespin-15m", PruneOptions(method: .segmentGate))
    var exhaustive = try Pruning.pruner("talespin-15m", PruneOptions(method: .segment))
    let found = try gate.cut(length)
    #expect(found.layers.count == length && found.layers.max()! - found.layers.min()! == length - 1)
    let best = try gate.search!.outcome(of: exhaustive.cut(length)).meanDivergence
    let all = try (0...9 - length).map { try gate.search!.outcome(of: CutPlan(layers: $0..<$0 + length)).meanDivergence }.sorted()
    let chosen = try gate.search!.outcome(of: found).meanDivergence
    // Descent may end beside the best block: measured 1.07 times its divergence at most.
    #expect(chosen < 1.15 * best && chosen <= all[all.count / 2], "\(found.layers.sorted()): \(chosen), best \(best)")
  }

  @Test("with the ends kept the gate stays between them, and a block that fills the room needs no search")
  func ends() throws {
    var options = PruneOptions(method: .segmentGate)
    options.keepEnds = true
    var pruner = try Pruning.pruner("stories260K", options, prompts: 5)
    #expect(pruner.most == 3)
    for count in 1...3 { #expect(try pruner.cut(count).layers.isSubset(of: [1, 2, 3])) }
    let before = pruner.search!.cost
    _ = try pruner.cut(3)
    #expect(pruner.search!.cost == before)
  }
}
