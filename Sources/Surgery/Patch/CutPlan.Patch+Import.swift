import Formats

extension CutPlan.Patch {
  /// What a model file stores of it.
  var forImport: ModelImport.Cut.Patch {
    switch kind {
    case .diag: .diagonal(scales)
    case .linear: preconditionFailure("patch: the Hadamard transform is not here yet")
    }
  }
}
