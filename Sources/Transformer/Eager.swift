import TensorCore

/// The graph whose values are tensors: every op runs at once, and memory goes back to the pool after its last use.
public struct Eager: Graph {
  /// Sees every site's value and returns the one to go on with.
  public typealias Visitor = (Site, Tensor) throws(BackendError) -> Tensor
  private let visitor: Visitor?
  private let visited: Set<Site.Point>
  private let ownsStream: Bool
  private let cache: KeyValueRows.Pass?

  /// - Parameters:
  ///   - ownsStream: the residual stream that goes in is not needed afterwards: updates are added to it where it lies.
  ///   - cache: where keys and values of earlier passes are, and where this pass adds its own; the layout must be the pass's.
  public init(ownsStream: Bool = false, cache: KeyValueRows.Pass? = nil) {
    (visitor, visited, self.ownsStream, self.cache) = (nil, [], ownsStream, cache)
  }

  /// - Parameter points: the only ones the visitor wants to see. Unseen updates are added to the residual stream by the product itself.
  public init(at points: Set<Site.Point> = Set(Site.Point.allCases), visitor: @escaping Visitor) {
    (self.visitor, visited, ownsStream, cache) = (visitor, points, false, nil)
  }

  public func parameter(_ tensor: Tensor) -> Tensor { tensor }
  public func embed(_ ids: Tensor, in table: Tensor) throws(BackendError) -> Tensor { try table.gathered(at: ids) }
  public func linear(_ x: Tensor, _ weight: Tensor, rounded: Bool) throws(BackendError) -> Tensor {
    try x.linear(weight, as: rounded ? x.backend.activations : .f32)
  }
  public func linears(_ x: Tensor, _ weights: [(weight: Tensor, rounded: Bool)]) throws(BackendError) -> [Tensor] {
    try x.linears(weights.map { ($0.weight, $0.rounded ? x.backend.activations : .f32) })
  }
  public func scale(_ x: Tensor, by factors: Tensor) throws(BackendError) -> Tensor {
    let out = ownsStream ? x : try x.like()
    x.backend.multiply(x, factors, into: out)
    return out
  }
  public func norm(_ x: Tensor, weight: Tensor, epsilon: Float) throws(BackendError) -> Tensor {
    try x.normalized(weight: weight, epsilon: epsilon)
  }
  public func rotate(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape) throws(BackendError) -> Tensor {
    try x.rotated(positions: positions, frequencies: frequencies, shape)
  }
  public func attend(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, layer: Int) throws(BackendError) -> Tensor {
    let (k, v) = cache?.append(keys: k, values: v, layer: layer) ?? (k, v)
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
  /// The product adds to a copy of the stream, which moves as many bytes as writing the product and adding it afterwards, with one tensor
  /// less; or to the stream itself, which moves half.
  public func add(_ y: Tensor, through weight: Tensor, to x: Tensor, at site: Site) throws(BackendError) -> Tensor {
    if visited.contains(site.point) { return try x.adding(visit(site, y.linear(weight))) }
    let out = ownsStream ? x : try x.copied()
    out.backend.matmul(y, weight, transpose: .right, beta: 1, into: out)
    return out
  }
  public func visit(_ site: Site, _ x: Tensor) throws(BackendError) -> Tensor {
    guard let visitor, visited.contains(site.point) else { return x }
    return try visitor(site, x)
  }
}
