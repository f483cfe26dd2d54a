/// The pleasant layer: ops that allocate their result.
extension Tensor {
  /// New memory of this shape and type.
  public func like() throws(BackendError) -> Tensor { try Tensor(rows, columns, dtype, on: backend) }

  /// x [M, K], weight [N, K] of any type → [M, N]
  public func linear(_ weight: Tensor, as dtype: DType = .f32) throws(BackendError) -> Tensor {
    let out = try Tensor(rows, weight.rows, dtype, on: backend)
    backend.matmul(self, weight, transpose: .right, beta: 0, into: out)
    return out
  }

  /// x [M, K], each weight [N, K] of any type → each [M, N]
  public func linears(_ weights: [(weight: Tensor, dtype: DType)]) throws(BackendError) -> [Tensor] {
    var outs: [Tensor] = []
    for (weight, dtype) in weights { outs.append(try Tensor(rows, weight.rows, dtype, on: backend)) }
    backend.matmuls(self, weights.map(\.weight), into: outs)
    return outs
  }

  public func adding(_ other: Tensor) throws(BackendError) -> Tensor {
    let out = try like()
    backend.add(self, other, into: out)
    return out
  }

  /// x [N, C] f32 → [N, C] of the backend's `activations`
  public func normalized(weight: Tensor, epsilon: Float) throws(BackendError) -> Tensor {
    let out = try Tensor(rows, columns, backend.activations, on: backend)
    backend.rmsNorm(self, weight: weight, epsilon: epsilon, into: out, inverseRMS: try Tensor(rows, 1, on: backend))
    return out
  }

  /// → [N, H·D] of the backend's `activations`
  public func rotated(positions: Tensor, frequencies: Tensor, _ shape: RopeShape) throws(BackendError) -> Tensor {
    let out = try Tensor(rows, columns, backend.activations, on: backend)
    backend.rope(self, positions: positions, frequencies: frequencies, shape, inverse: false, into: out)
    return out
  }

  /// Rows of this table at `ids` [N, 1] → [N, C] f32
  public func gathered(at ids: Tensor) throws(BackendError) -> Tensor {
    let out = try Tensor(ids.rows, columns, on: backend)
    backend.gatherRows(self, at: ids, into: out)
    return out
  }

  public func masked(by mask: Tensor) throws(BackendError) -> Tensor {
    let out = try like()
    backend.maskGroups(self, by: mask, into: out)
    return out
  }

  public func copied() throws(BackendError) -> Tensor { try copied(as: dtype) }

  /// These rows `copies` times over, [copies·N, C]. Each copy doubles what is there, so that a device gets few calls.
  public func repeated(_ copies: Int) throws(BackendError) -> Tensor {
    let out = try Tensor(copies * rows, columns, dtype, on: backend)
    guard copies > 0 else { return out }
    backend.copy(self, into: out.rows(0..<rows))
    var filled = rows
    while filled < out.rows {
      let count = min(filled, out.rows - filled)
      backend.copy(out.rows(0..<count), into: out.rows(filled..<filled + count))
      filled += count
    }
    return out
  }

  /// Converted to a dense type.
  public func copied(as dtype: DType) throws(BackendError) -> Tensor {
    let out = try Tensor(rows, columns, dtype, on: backend)
    backend.copy(self, into: out)
    return out
  }

  public func rowDots(_ other: Tensor) throws(BackendError) -> Tensor {
    let out = try Tensor(rows, 1, on: backend)
    backend.rowDots(self, other, into: out)
    return out
  }
}
