import Formats
import LinearAlgebra
import TensorCore

/// The coordinates in which a patch scales: those of the Hadamard matrix, or the channels themselves. The matrix lies on the device: a product
/// costs 2·C² operations a row, a small part of a layer, where a transform on the host (C·log C) would have to bring every row there and back.
struct PatchBasis {
  /// [C, C]; nil for the channels themselves.
  private let hadamard: Tensor?

  init(_ kind: CutPlan.Patch.Kind, width: Int, on backend: any ComputeBackend) throws {
    switch kind {
    case .diag: hadamard = nil
    case .linear:
      guard let matrix = Hadamard(width)?.matrix else { throw PatchError.noHadamardMatrix(width: width) }
      hadamard = try Tensor(matrix, rows: width, columns: width, on: backend)
    }
  }

  /// x [N, C] → x·H
  func coordinates(of x: Tensor) throws(BackendError) -> Tensor { try product(x, .none) }

  /// x [N, C] → ((x·H) ⊙ d)·Hᵀ
  func apply(_ patch: CutPlan.Patch, to x: Tensor) throws(BackendError) -> Tensor {
    let scaled = try x.like()
    let factors = try Tensor(patch.scales, rows: 1, columns: patch.scales.count, on: x.backend)
    x.backend.multiply(try coordinates(of: x), factors, into: scaled)
    return try product(scaled, .right)
  }

  private func product(_ x: Tensor, _ transpose: Transpose) throws(BackendError) -> Tensor {
    guard let hadamard else { return x }
    let out = try x.like()
    x.backend.matmul(x, hadamard, transpose: transpose, beta: 0, into: out)
    return out
  }
}

/// A patch that cannot be made.
public enum PatchError: Error, Sendable, Equatable, CustomStringConvertible {
  case noHadamardMatrix(width: Int)

  public var description: String {
    switch self {
    case .noHadamardMatrix(let width): "no Hadamard matrix of \(width) columns is known here; --patch diag works"
    }
  }
}
