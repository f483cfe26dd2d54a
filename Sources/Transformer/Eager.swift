import TensorCore

/// The graph whose values are tensors: every op runs at once, and memory goes back to the pool after its last use.
public struct Eager: Graph {
  /// Sees every site's value and returns the one to go on with.
  public typealias Visitor = (Site, Tensor) throws(BackendError) -> Tensor
  private let visitor: Visitor?

  public init(visitor: Visitor? = nil) { self.visitor = visitor }

  public func parameter(_ tensor: Tensor) -> Tensor { tensor }
  public func embed(_ ids: Tensor, in table: Tensor) throws(BackendError) -> Tensor { try table.gathered(at: ids) }
  public func linear(_ x: Tensor, _ weight: Tensor) throws(BackendError) -> Tensor { try x.linear(weight) }
  public func norm(_ x: Tensor, weight: Tensor, epsilon: Float) throws(BackendError) -> Tensor {
    try x.normalized(weight: weight, epsilon: epsilon)
  }
  public func rotate(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape) throws(BackendError) -> Tensor {
    try x.rotated(positions: positions, frequencies: frequencies, shape)
  }
  public func attend(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape) throws(BackendError) -> Tensor {
    let out = try q.like()
    let logSumExp = try Tensor(q.rows, shape.queryHeads, on: q.backend)
    q.backend.attention(q: q, k: k, v: v, spans, shape, into: out, logSumExp: logSumExp)
    return out
  }
  public func gate(_ gate: Tensor, _ up: Tensor) throws(BackendError) -> Tensor {
    let out = try gate.like()
    gate.backend.swiGLU(gate: gate, up: up, into: out)
    return out
  }
  public func add(_ a: Tensor, _ b: Tensor) throws(BackendError) -> Tensor { try a.adding(b) }
  public func visit(_ site: Site, _ x: Tensor) throws(BackendError) -> Tensor {
    guard let visitor else { return x }
    return try visitor(site, x)
  }
}
