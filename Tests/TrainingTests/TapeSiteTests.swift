import BackendCPU
import TensorCore
import TestSupport
import Testing
import Training
import Transformer

/// Looking at values and gradients in the middle of a pass.
struct TapeSiteTests {
  let batch = Batch(SmallModel.sequences)

  @Test("visiting an update leaves every gradient as it is")
  func identity() throws {
    let small = try SmallModel(on: CPUBackend())
    try small.scramble()
    let parameters = small.model.parameters
    let (plain, visited) = (Gradients(of: parameters.map(\.tensor)), Gradients(of: parameters.map(\.tensor)))
    try batch.differentiate(small.model, into: plain)
    var seen: Set<Site> = []
    try batch.differentiate(small.model, into: visited, at: Set(Site.Point.allCases)) { _, site, x in
      seen.insert(site)
      return x
    }
    #expect(seen.count == 3 * Site.Point.allCases.count)
    // The update is rounded to f32 once more before it is added.
    for parameter in parameters { #expect(try difference(visited[parameter.tensor], plain[parameter.tensor]) < 1e-5, "\(parameter.name)") }
  }

  /// Removing neuron i scales column i of the down projection by 0, so Σ_tokens a_i·∂L/∂a_i = Σ_c w_ci·∂L/∂w_ci; and likewise heads with D columns.
  @Test("a watched gradient, a mask's gradient and the output weights' gradient say the same", arguments: [false, true])
  func masks(checkpointed: Bool) throws {
    let small = try SmallModel(on: CPUBackend())
    try small.scramble()
    let model = small.model
    let backend = model.backend
    let (mlp, attention) = (model.layers[1].mlp!, model.layers[1].attention!)
    let neurons = try Tensor([Float](repeating: 1, count: 128), rows: 1, columns: 128, on: backend)
    let heads = try Tensor([Float](repeating: 1, count: 4), rows: 1, columns: 4, on: backend)
    // With something to train below the layer, or there would be no gradient to watch on its heads.
    let gradients = Gradients(of: [model.layers[0].mlp!.down, mlp.down, attention.output, neurons, heads])
    var watched: [Site.Point: [Float]] = [:]
    try batch.differentiate(model, into: gradients, checkpointed: checkpointed, at: [.mlpHidden, .headsOut]) {
      (tape, site, x) throws(BackendError) in
      guard site.layer == 1 else { return x }
      tape.watch(x) { (gradient) throws(BackendError) in
        let (product, sums) = (try gradient.like(), try Tensor(1, gradient.columns, on: backend))
        backend.multiply(gradient, x.tensor, into: product)
        backend.columnSums(product, beta: 0, into: sums)
        watched[site.point] = try sums.floats()
      }
      return try tape.mask(x, by: tape.parameter(site.point == .mlpHidden ? neurons : heads))
    }
    for (point, mask, weight) in [(Site.Point.mlpHidden, neurons, mlp.down), (.headsOut, heads, attention.output)] {
      let width = weight.columns / mask.columns
      let (w, dw) = (try weight.floats(), try gradients[weight]!.floats())
      let fromMask = try gradients[mask]!.floats()
      let seen = try #require(watched[point])
      let scale = fromMask.map(abs).max() ?? 0
      #expect(scale > 1e-4)
      for group in 0..<mask.columns {
        let columns = group * width..<(group + 1) * width
        var fromWeights = 0.0
        for row in 0..<weight.rows {
          for column in columns { fromWeights += Double(w[row * weight.columns + column]) * Double(dw[row * weight.columns + column]) }
        }
        let fromWatch = columns.reduce(0.0) { $0 + Double(seen[$1]) }
        // f32 sums of terms that partly cancel.
        #expect(abs(fromWeights - Double(fromMask[group])) < 1e-5 * Double(scale) && abs(fromWatch - fromWeights) < 1e-5 * Double(scale))
      }
    }
  }

  @Test("a detached value stops the gradient")
  func detached() throws {
    let small = try SmallModel(on: CPUBackend())
    let model = small.model
    let gradients = Gradients(of: model.parameters.filter { $0.name.contains("layers") }.map(\.tensor))
    try batch.differentiate(model, into: gradients, at: [.residualIn]) { _, site, x in site.layer == 2 ? x.detached : x }
    #expect(gradients[model.layers[1].mlp!.down] == nil && gradients[model.layers[2].mlp!.down] != nil)
  }
}
