import Formats
import JSON
import TestSupport
import Testing
@testable import Training

/// Which tensors are trained.
struct TrainedPartsTests {
  /// Layers that stayed of a model of `before` layers.
  private func subject(_ layers: [Int], of before: Int, _ change: (inout LlamaConfig) -> Void = { _ in }) -> TrainedParts.Subject {
    var config = RandomModel.tiny
    config.layers = Array(repeating: config.layers[0], count: layers.count)
    change(&config)
    let history: [JSON] = before == layers.count ? [] : [["method": "test", "layers_before": .int(before)]]
    return .init(path: "cut.hoof", config: config, originalLayers: layers, history: history)
  }

  private func layers(_ names: Set<String>) -> [Int] {
    Set(names.compactMap { name in name.hasPrefix("model.layers.") ? Int(name.split(separator: ".")[2]) : nil }).sorted()
  }

  @Test("cuts lie where layers or sublayers are missing")
  func cuts() {
    #expect(subject([0, 1, 2], of: 3).cuts == [])
    #expect(subject([0, 1, 4, 5, 7], of: 8).cuts == [2, 4])
    #expect(subject([2, 3], of: 4).cuts == [0])
    #expect(subject([0, 1], of: 4).cuts == [2])
    #expect(subject([0, 1, 2, 3], of: 4) { $0.layers[1].queryHeads = 0 }.cuts == [1])
    #expect(subject([0, 1, 2, 3], of: 4) { $0.layers[1].intermediateSize = 0 }.cuts == [2])
  }

  @Test("layers near a cut are those on both sides of it; an end has one side")
  func nearCut() throws {
    func near(_ count: Int, _ subject: TrainedParts.Subject) throws -> [Int] {
      let names = try TrainedParts(scope: .nearCut(layers: count)).names(of: subject)
      #expect(!names.contains(TensorName.embedding) && !names.contains(TensorName.finalNorm))
      return layers(names)
    }
    let two = subject([0, 1, 2, 5, 6, 7, 8, 10], of: 11)
    #expect(try near(1, two) == [2, 3, 6, 7])
    #expect(try near(2, two) == [1, 2, 3, 4, 5, 6, 7])
    #expect(try near(1, subject([2, 3, 4], of: 5)) == [0])
    #expect(try near(1, subject([0, 1, 2], of: 5)) == [2])
    #expect(try near(99, subject([0, 1, 2], of: 5)) == [0, 1, 2])
    let whole = try TrainedParts(scope: .nearCut(layers: 1)).names(of: subject([0, 1, 3], of: 4) { $0.layers[2].patch = .linear })
    // All of a layer, its patch included.
    #expect(whole.count == 9 + 10 && whole.contains(TensorName.layer(2, .patch)))
    let end = try TrainedParts(scope: .nearCut(layers: 1)).names(of: subject([0, 1], of: 4) { $0.finalPatch = .diagonal })
    #expect(end.contains(TensorName.finalPatch))
    #expect(throws: FormatError.self) { try TrainedParts(scope: .nearCut(layers: 1)).names(of: subject([0, 1, 2], of: 3)) }
  }

  @Test("patches alone; a model without one is told how to get some")
  func patches() throws {
    let patched = subject([0, 3], of: 5) {
      $0.layers[1].patch = .linear
      $0.layers[0].mlpShortcut = true
      $0.finalPatch = .diagonal
    }
    #expect(try TrainedParts(scope: .patches).names(of: patched) == [TensorName.layer(1, .patch), TensorName.finalPatch])
    do throws(FormatError) {
      _ = try TrainedParts(scope: .patches).names(of: subject([0, 1, 3], of: 4))
      Issue.record("a model without patches was taken")
    } catch {
      #expect(error.description.contains("hoof prune --patch linear"))
    }
  }

  @Test("frozen names are taken away; one that fits nothing is refused")
  func frozen() throws {
    let model = subject([0, 1, 2], of: 3)
    let all = Set(model.config.tensorShapes.map(\.name))
    #expect(try TrainedParts().names(of: model) == all)
    let names = try TrainedParts(frozen: ["*embed*", "model.layers.1.*", "*norm.weight"]).names(of: model)
    #expect(names == all.filter { !$0.contains("embed") && !$0.contains("layers.1.") && !$0.contains("norm") })
    #expect(throws: FormatError.self) { try TrainedParts(frozen: ["model.layers.3.*"]).names(of: model) }
    #expect(throws: FormatError.self) { try TrainedParts(frozen: ["*"]).names(of: model) }
    do throws(FormatError) {
      _ = try TrainedParts(frozen: ["lm_head*"]).names(of: model)
      Issue.record("a head that is the embedding was frozen")
    } catch {
      #expect(error.description.contains(TensorName.embedding))
    }
  }

  @Test(
    "a star stands for anything, nothing else for another",
    arguments: [
      ("a.b", "a.b", true), ("a.b", "a.bc", false), ("a.b", "axb", false), ("*", "", true), ("*", "x", true), ("a*", "a", true),
      ("a*c", "abc", true), ("a*c", "ac", true), ("a*c", "abcd", false), ("*b*", "abc", true), ("*b*b*", "abc", false),
      ("ab*ba", "aba", false), ("a**c", "ac", true), ("*.weight", "x.weight", true), ("", "", true), ("", "a", false),
      ("*ab*ab", "xabab", true), ("*ab*ab", "xab", false),
    ])
  func globs(pattern: String, name: String, matches: Bool) { #expect(Glob(pattern).matches(name) == matches) }
}
