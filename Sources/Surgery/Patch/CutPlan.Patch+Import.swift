import Formats
import LinearAlgebra

extension CutPlan.Patch {
  /// What a model file stores of it. Rows of P = H·diag(d)·Hᵀ are made as they are asked for, two transforms each; P is symmetric, so it does
  /// not matter that files hold the transpose.
  var forImport: ModelImport.Cut.Patch {
    guard kind == .linear else { return .diagonal(scales) }
    guard let hadamard = Hadamard(scales.count) else { preconditionFailure("patch: no Hadamard matrix of \(scales.count) columns") }
    return .linear { [scales] rows in
      var block = [Float](repeating: 0, count: rows.count * scales.count)
      for (index, row) in rows.enumerated() { block[index * scales.count + row] = 1 }
      hadamard.multiply(&block)
      for index in block.indices { block[index] *= scales[index % scales.count] }
      hadamard.multiply(&block, transposed: true)
      return block
    }
  }
}
