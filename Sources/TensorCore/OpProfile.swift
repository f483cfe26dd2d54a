/// Where the time of some work went, op by op.
public struct OpProfile: Sendable {
  public struct Entry: Sendable {
    /// Op, and for products the weights: "matmul right bf16 [8192, 3072]".
    public let name: String
    public internal(set) var calls = 0
    public internal(set) var seconds = 0.0
    /// What had to be read and written at least.
    public internal(set) var bytes = 0.0
    /// Multiplications and additions of the products; 0 for ops that memory bounds.
    public internal(set) var flops = 0.0

    mutating func add(_ seconds: Double, _ bytes: Int, _ flops: Int) {
      calls += 1
      self.seconds += seconds
      self.bytes += Double(bytes)
      self.flops += Double(flops)
    }
  }

  /// The one that took longest first.
  public let entries: [Entry]
  /// Time since the profile was begun, ops or not.
  public let elapsed: Double

  /// Time in no op: the program itself, memory, waiting for each op to begin.
  public var between: Double { max(0, elapsed - entries.reduce(0) { $0 + $1.seconds }) }
}
