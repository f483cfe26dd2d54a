import TensorCore

/// Makes the tensors of one run of a case, the same on every backend for the same seed.
///
/// With fences each tensor is a row range in the middle of larger memory with sentinel bytes right before and right behind it, and starts
/// at an address that is a multiple of its block size only, as a row range of a real tensor may.
public final class OpArguments {
  fileprivate struct Placed {
    let name: String
    let tensor: Tensor
    /// The whole storage as uploaded.
    let original: [UInt8]
    let isOutput: Bool
    /// Words of four bytes that are compared one by one: a float cannot hold every word.
    var isPacked = false
  }

  public let backend: any ComputeBackend
  public var random: RandomGenerator
  private let isFenced: Bool
  private let isAligned: Bool
  private var placed: [Placed] = []

  private static let fence = 64

  /// `aligned`: fenced tensors start at multiples of 64 bytes instead, which is what vector loads and copy engines ask for.
  public init(on backend: any ComputeBackend, seed: UInt64, fenced: Bool = true, aligned: Bool = false) {
    self.backend = backend
    random = RandomGenerator(seed: seed)
    isFenced = fenced
    isAligned = aligned
  }

  /// A tensor the op must leave alone.
  public func input(_ name: String, _ matrix: Matrix, _ dtype: DType = .f32) throws(BackendError) -> Tensor {
    try place(name, matrix, dtype, isOutput: false)
  }

  public func input(_ name: String, _ integers: [Int]) throws(BackendError) -> Tensor {
    var bytes: [UInt8] = []
    for value in integers { withUnsafeBytes(of: Int32(value)) { bytes.append(contentsOf: $0) } }
    return try place(name, bytes, .i32, Shape(integers.count, 1), isOutput: false)
  }

  /// Random values of variance about 1.
  public func input(_ name: String, _ rows: Int, _ columns: Int, _ dtype: DType = .f32) throws(BackendError) -> Tensor {
    try place(name, random.weightBytes(dtype, rows: rows, columns: columns), dtype, Shape(rows, columns), isOutput: false)
  }

  public func input(_ name: String, bytes: [UInt8], _ dtype: DType, _ shape: Shape) throws(BackendError) -> Tensor {
    try place(name, bytes, dtype, shape, isOutput: false)
  }

  /// A tensor the op overwrites. It holds NaN before, so that neither reading it nor leaving a value unwritten goes unnoticed.
  public func output(_ name: String, _ rows: Int, _ columns: Int, _ dtype: DType = .f32) throws(BackendError) -> Tensor {
    let bytes = [UInt8](repeating: 0xff, count: dtype.rowBytes(columns: columns) * rows)
    return try place(name, bytes, dtype, Shape(rows, columns), isOutput: true)
  }

  /// A tensor the op reads and writes.
  public func update(_ name: String, _ matrix: Matrix, _ dtype: DType = .f32) throws(BackendError) -> Tensor {
    try place(name, matrix, dtype, isOutput: true)
  }

  /// Words that hold four bytes each, which the op reads and writes.
  public func update(_ name: String, packed bytes: [UInt8], _ shape: Shape) throws(BackendError) -> Tensor {
    try place(name, bytes, .i32, shape, isOutput: true, isPacked: true)
  }

  /// What the outputs hold, and whether anything else was written.
  public func result() throws(BackendError) -> OpResult {
    try backend.synchronize()
    var outputs: [OpOutput] = []
    var trespasses: [String] = []
    for item in placed {
      let now = try item.whole.bytes()
      let inside = item.tensor.byteOffset..<item.tensor.byteOffset + item.tensor.byteCount
      if let at = now.indices.first(where: { (!item.isOutput || !inside.contains($0)) && now[$0] != item.original[$0] }) {
        let place = at < inside.lowerBound ? "\(inside.lowerBound - at) bytes before" : inside.contains(at) ? "inside the input" : "behind"
        trespasses.append("wrote \(place) \(item.name) \(item.tensor.shape), at byte \(at - inside.lowerBound)")
      }
      if item.isOutput {
        let values = item.isPacked ? now[inside].map(Float.init) : OpArguments.floats(now[inside], item.tensor.dtype)
        outputs.append(OpOutput(name: item.name, dtype: item.tensor.dtype, values: values))
      }
    }
    return OpResult(outputs: outputs, trespasses: trespasses)
  }

  /// f32, bf16 or f16, rounded to nearest even.
  private func place(_ name: String, _ matrix: Matrix, _ dtype: DType, isOutput: Bool) throws(BackendError) -> Tensor {
    let bytes =
      switch dtype {
      case .bf16: matrix.values.map { ElementFormat.brainBits($0) }.withUnsafeBytes { [UInt8]($0) }
      case .f16: matrix.values.map { ElementFormat.halfBits($0) }.withUnsafeBytes { [UInt8]($0) }
      default: matrix.values.map { Float($0) }.withUnsafeBytes { [UInt8]($0) }
      }
    return try place(name, bytes, dtype, Shape(matrix.rows, matrix.columns), isOutput: isOutput)
  }

  private func place(
    _ name: String, _ bytes: [UInt8], _ dtype: DType, _ shape: Shape, isOutput: Bool, isPacked: Bool = false
  ) throws(BackendError) -> Tensor {
    let front = isFenced ? OpArguments.fence + (isAligned ? 0 : dtype.block.bytes) : 0
    let all = isFenced ? sentinels(front) + bytes + sentinels(OpArguments.fence) : bytes
    let storage = try Storage(byteCount: all.count, on: backend)
    let tensor = Tensor(storage: storage, byteOffset: front, dtype: dtype, shape: shape)
    let item = Placed(name: name, tensor: tensor, original: isFenced ? all : [], isOutput: isOutput, isPacked: isPacked)
    try item.whole.upload(all)
    if isFenced { placed.append(item) }
    return tensor
  }

  private func sentinels(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: 0xa5 &+ 7 &* $0) } }

  private static func floats(_ bytes: ArraySlice<UInt8>, _ dtype: DType) -> [Float] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / (dtype.isDense ? dtype.block.bytes : 2)).map { i in
        switch dtype {
        case .f32: bytes.loadUnaligned(fromByteOffset: 4 * i, as: Float.self)
        case .i32: Float(bytes.loadUnaligned(fromByteOffset: 4 * i, as: Int32.self))
        case .f16: Float(ElementFormat.half(bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)))
        case .bf16: Float(ElementFormat.brain(bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)))
        // Copies of blocks are compared bit for bit.
        case .q8_0, .q4_K: Float(bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))
        }
      }
    }
  }
}

extension OpArguments.Placed {
  /// The storage with its fences, as a row of 2-byte elements: every storage here has an even number of bytes.
  fileprivate var whole: Tensor { Tensor(storage: tensor.storage, dtype: .f16, shape: Shape(1, tensor.storage.byteCount / 2)) }
}
