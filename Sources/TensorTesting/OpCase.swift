import TensorCore

/// How far a result may lie from the reference's.
public struct Tolerance: Sendable {
  /// Greatest Σ(x - r)² / Σ(r² + absolute²) over the finite values of one output; 0 asks for equal values. Outputs of 2-byte types get
  /// `narrow` at least, unless equal values are asked for.
  public let limit: Double
  /// Why the limit is what it is.
  public let reason: String
  /// Size of value below which errors no longer count relative to the value: 1 for a divergence that may be 0.
  public let absolute: Double
  /// Outputs with a limit of their own.
  public let limits: [String: Double]

  public init(_ limit: Double, _ reason: String, absolute: Double = 0, limits: [String: Double] = [:]) {
    self.limit = limit
    self.reason = reason
    self.absolute = absolute
    self.limits = limits
  }

  /// An error of an f32's last bit can tip the rounding to bf16: 2⁻⁸ of a single value.
  static let narrow = 1e-5

  static let exact = Tolerance(0, "values are moved or rounded once, nothing is computed")
  static let rounding = Tolerance(1e-14, "a few f32 roundings of 2^-24 per value")
  static let decoding = Tolerance(1e-14, "scale times quant minus offset: f32 roundings")
  static let sum = Tolerance(1e-12, "f32 sums of up to some thousand terms in any order")
  static let exponential = Tolerance(1e-12, "f32 exp and log within some units in the last place", absolute: 1e-3)
  static let loss = Tolerance(1e-11, "f32 log-sum-exp over the vocabulary; a loss is a difference of logits of size 1 to 10", absolute: 1)
}

/// One op at one shape: what agreement tests and benchmarks run.
public struct OpCase: Sendable, CustomStringConvertible {
  public typealias Run = () throws(BackendError) -> Void

  /// Op and variant: "matmul right", "copy to f16".
  public let name: String
  /// The file its kernels lie in: "Matmul".
  public let group: String
  /// "[64, 384]·[1024, 384]ᵀ"
  public let shapes: String
  /// Type of the weights, or of the source of a copy.
  public let dtype: DType
  public let tolerance: Tolerance
  /// Bytes that must be read and written at least once.
  public let bytes: Int
  /// Additions and multiplications, an exponential counted as one.
  public let flops: Int
  private let prepare: @Sendable (OpArguments) throws(BackendError) -> Run

  public init(
    _ name: String, group: String, shapes: String, dtype: DType = .f32, tolerance: Tolerance, bytes: Int, flops: Int,
    prepare: @escaping @Sendable (OpArguments) throws(BackendError) -> Run
  ) {
    self.name = name
    self.group = group
    self.shapes = shapes
    self.dtype = dtype
    self.tolerance = tolerance
    self.bytes = bytes
    self.flops = flops
    self.prepare = prepare
  }

  public var description: String { "\(name) \(dtype.name) \(shapes)" }

  /// Whether an emulator of a device, which runs some million operations a second, is done with it in seconds.
  public var suitsEmulator: Bool { flops <= 100_000_000 && bytes <= 12 << 20 }

  /// Places inputs and outputs on the backend and returns the call of the op, which may be repeated to time it.
  public func prepared(with arguments: OpArguments) throws(BackendError) -> Run { try prepare(arguments) }

  /// Runs once on inputs made from `seed`, between fences.
  public func run(on backend: any ComputeBackend, seed: UInt64, aligned: Bool = false) throws(BackendError) -> OpResult {
    let arguments = OpArguments(on: backend, seed: seed, aligned: aligned)
    try prepare(arguments)()
    return try arguments.result()
  }
}

/// One output tensor as floats; i32 is converted, which is exact below 2²⁴.
public struct OpOutput: Sendable {
  public let name: String
  public let dtype: DType
  public let values: [Float]

  package init(name: String, dtype: DType, values: [Float]) {
    self.name = name
    self.dtype = dtype
    self.values = values
  }
}

public struct OpResult: Sendable {
  public let outputs: [OpOutput]
  /// Sentences about memory the op wrote and should not have.
  public let trespasses: [String]

  package init(outputs: [OpOutput], trespasses: [String]) {
    self.outputs = outputs
    self.trespasses = trespasses
  }
}
