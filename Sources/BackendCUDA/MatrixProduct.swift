import TensorCore

/// One product for the kernels of Sources/CKernels/cuda/{matmul,matvec,quantized}*.cu: sizes, types and what its memory allows.
struct MatrixProduct {
  let a: Tensor, b: Tensor, out: Tensor
  let transpose: Transpose
  let beta: Float
  /// out is [m, n], sums have k products.
  let m: Int, n: Int, k: Int

  init(_ a: Tensor, _ b: Tensor, _ transpose: Transpose, beta: Float, into out: Tensor) {
    (self.a, self.b, self.transpose, self.beta, self.out) = (a, b, transpose, beta, out)
    (m, n, k) = (out.rows, out.columns, transpose == .left ? a.rows : a.columns)
    let types: Bool =
      switch a.dtype {
      case .f32: out.dtype == .f32 && (transpose != .left || b.dtype == .f32)
      case .bf16: (out.dtype == .f32 || out.dtype == .bf16) && (transpose != .left || b.dtype == .bf16)
      case .f16, .i32, .q8_0, .q4_K: false
      }
    precondition(
      types && max(m, n, k) <= Int(Int32.max) - 1024,
      "matmul \(transpose): \(a.shape) \(a.dtype.name), \(b.shape) \(b.dtype.name), \(out.shape) \(out.dtype.name)")
  }

  // Flags of product.h and matvec_blocks.h.
  private static let packedA: Int32 = 1, packedB: Int32 = 2, bf16Output: Int32 = 4, wordsB: Int32 = 8

  var flagOfOutput: Int32 { out.dtype == .bf16 ? MatrixProduct.bf16Output : 0 }

  /// Which operands a tile's loaders may read in whole packets.
  func flagsOfOperands(_ tile: TileKind) -> Int32 {
    let elements = tile.elementsOfPacket
    func isPacked(_ x: Tensor) -> Bool {
      // Blocks are read from their own start on, whatever the length of rows.
      guard x.dtype.isDense else { return x.isAligned(16) }
      let bytes = min(16, elements * x.dtype.block.bytes)
      return x.isAligned(bytes) && x.columns % elements == 0
    }
    return (isPacked(a) ? MatrixProduct.packedA : 0) | (isPacked(b) ? MatrixProduct.packedB : 0)
  }
}

// MARK: Few rows
extension MatrixProduct {
  /// The row counts there are kernels for.
  static let fewRows = [1, 2, 4, 8]

  var hasFewRows: Bool { transpose == .right && m <= MatrixProduct.fewRows.last! }

  var fileOfFewRows: KernelFile { a.dtype == .f32 ? .matvec_f32 : b.dtype.isDense ? .matvec : .matvec_quantized }

  /// Enough threads for three or more packets of 16 bytes each, at most four warps.
  var threadsAlongRow: Int {
    let packets = k * b.dtype.block.bytes / 16
    return packets >= 128 ? 128 : packets >= 64 ? 64 : 32
  }

  var flagsOfFewRows: Int32 {
    func rows(_ x: Tensor, areMultiplesOf bytes: Int) -> Bool { x.isAligned(bytes) && x.rowBytes % bytes == 0 }
    return (rows(a, areMultiplesOf: 16) ? MatrixProduct.packedA : 0) | (rows(b, areMultiplesOf: 16) ? MatrixProduct.packedB : 0)
      | (rows(b, areMultiplesOf: 4) ? MatrixProduct.wordsB : 0) | flagOfOutput
  }
}

/// The ring of chunks in shared memory of matvec_blocks.h.
struct BlockRing {
  /// Columns of out a warp computes.
  let columns: Int
  let sharedBytes: Int

  init(rows: Int, _ product: MatrixProduct) {
    let elementsOfChunk = 1024, warps = 4
    columns = rows <= 2 ? 2 : 4
    let stages = rows <= 2 ? 3 : 2
    sharedBytes =
      stages
      * (rows * elementsOfChunk * product.a.dtype.block.bytes + warps * columns * product.b.dtype.rowBytes(columns: elementsOfChunk))
  }
}

extension Tensor {
  func isAligned(_ bytes: Int) -> Bool { pointer % UInt64(bytes) == 0 }
}
