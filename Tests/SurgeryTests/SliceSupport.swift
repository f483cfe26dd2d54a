import BackendCPU
import Formats
@testable import Surgery
import TensorCore
import TestSupport
import Transformer

/// A reference model, what is left of it after `cut`, and that sliced.
struct Sliced {
  let source: ModelSource
  let cut: ModelImport.Cut?
  let whole: Llama
  let slice: SliceGPT
  let model: Llama

  init(_ source: ModelSource, width: Int, cut: ModelImport.Cut? = nil, prompts: [[Int32]], on backend: any ComputeBackend) throws {
    self.source = source
    self.cut = cut
    whole = try Llama(ModelImport(source, matrixType: .f32, cut: cut), on: backend)
    slice = try SliceGPT(whole, prompts: prompts, width: width)
    model = try Llama(ModelImport(source, matrixType: .f32, cut: cut, rebuilt: slice.rebuilt), on: backend)
  }

  init(_ name: String, width: Int, cut: ModelImport.Cut? = nil, on backend: any ComputeBackend = CPUBackend()) throws {
    try self.init(
      ModelSource.open(path: SharedData.path("models/\(name)")), width: width, cut: cut, prompts: Self.prompts(name), on: backend)
  }

  /// The reference study's calibration, 1.6 K tokens.
  static func prompts(_ name: String) throws -> [[Int32]] {
    ReferenceModels.lists(try SharedData.json("reference/\(name)/ablation.json")["prompt_ids"])
  }

  static let texts: [[Int32]] = [[1, 403, 407, 261, 378, 400], [1, 9, 8, 7, 6, 5, 4, 300, 301], [2]]

  /// Logits of all positions of the texts.
  static func logits(_ model: Llama) throws -> [Float] { try model.logits(texts).flatMap { try $0.floats() } }

  /// Logits of the whole model whose residual stream is projected on the slice's span wherever a sublayer or the head reads it: what slicing
  /// means, made with hooks on weights that nobody touched.
  func projectedLogits() throws -> [Float] {
    var bases: [Site: Int] = [:]
    for (index, place) in slice.places.enumerated() {
      let site =
        switch place.part {
        case .attention: Site(layer: place.layer, point: .residualIn)
        case .mlp: Site(layer: place.layer, point: .residualMid)
        case .head: Site(layer: place.layer - 1, point: .residualOut)
        }
      bases[site] = index
    }
    let graph = Eager(at: [.residualIn, .residualMid, .residualOut]) { [slice] (site, x) throws(BackendError) in
      guard let place = bases[site] else { return x }
      return try x.projected(onRowsOf: slice.bases(place))
    }
    return try Self.texts.flatMap { text in
      let layout = try PackedLayout(lengths: [text.count], on: whole.backend)
      return try whole.hidden(Tensor(text, on: whole.backend), layout, in: graph).linear(whole.head).floats()
    }
  }
}

/// The largest difference, relative to the largest value.
func departure(_ a: [Float], _ b: [Float]) -> Double {
  guard a.count == b.count, a.allSatisfy(\.isFinite) else { return .infinity }
  let scale = b.reduce(0) { max($0, abs($1)) }
  return Double((zip(a, b).map { abs($0 - $1) }.max() ?? 0) / scale)
}
