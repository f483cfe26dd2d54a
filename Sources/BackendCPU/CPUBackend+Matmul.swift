import CKernels
import COpenBLAS
import TensorCore

extension CPUBackend {
  public func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    Check.matmul(a, b, transpose: transpose, into: out)
    guard out.rows > 0, out.columns > 0 else { return }
    let product = Product(a, b, transpose: transpose, beta: beta, into: out)
    switch plan(product) {
    case .dots: multiplyByDots([product])
    case .packed: multiplyPacked(product)
    case .fixed: multiplyFixed(product)
    case .blas: multiplyByBLAS(product)
    }
  }

  enum Plan {
    case dots, packed, fixed, blas
  }

  /// Measured on a 2-core Zen 5 with AVX-512, best of many alternating runs, GFLOP/s of one core, OpenBLAS 0.3.21 (Cooperlake kernels, its
  /// best there) against the packed kernels, right transposed:
  ///     M x N x K         OpenBLAS  packed          M x N x K          OpenBLAS  packed
  ///     64 x 384 x 384         168     198          1654 x 1024 x 1024      205     208
  ///     1654 x 384 x 384       210     223          1654 x 4096 x 384       202     207
  ///     1654 x 384 x 1024      201     212          9924 x 4096 x 1024      215     207
  /// Two threads, 1654 x 384 x 384: 429 and 435; with OPENBLAS_CORETYPE=Haswell OpenBLAS stays at 114 a core, our AVX2 kernels reach 119.
  /// So the packed kernels multiply everything they are written for. OpenBLAS keeps floats on processors without AVX2, where its
  /// hand-written kernels beat our portable one.
  ///
  /// Few rows are a matter of reading the weights once. One core reads 31-39 GB/s from memory; dots take f32 at 34, f16 30 and bf16 27 GB/s
  /// of it (packed: 18, 7, 7). Two threads, 1 x 4096 x 4096, reads of 45 GB/s: q8_0 25 and q4_K 24 GB/s widened to floats. Of bytes by AVX-512
  /// VNNI one core of a 2.8 GHz Xeon takes 22 (q8_0) and 17 GB/s out of its caches and what memory gives, 10; of 8 rows each as fast as a third
  /// of one. Floats take this way for one row only, so that batches of two and more give an element the same bits whatever their
  /// size; the other types do within 1 ... 8 rows and from 9 on.
  ///
  /// Whole numbers (`Precision.int16`), GFLOP/s of one core of that Xeon, 128 rows with packing, beside floats: AVX-512 VNNI 285 beside 134,
  /// AVX-512 180, AVX2 134 beside 85. At 8 rows both ways are even. Dots of bytes take two a number instead of three, and one row as it
  /// lies in memory: q4_K at 12.7 instead of 9.5 GB/s of the 13.6 that one core reads there, 8 rows in 0.85 of the time.
  func plan(_ product: Product) -> Plan {
    if product.transposedB != 0, product.transposedA == 0, product.rows <= CPUBackend.dotRows(product.typeOfB) { return .dots }
    if precision == .int16, product.isFixed { return .fixed }
    return simd == hoof_simd_scalar && product.typeOfB == hoof_type_f32 ? .blas : .packed
  }

  /// Up to how many rows a product with weights of this type is a matter of reading them once.
  private static func dotRows(_ type: hoof_type) -> Int { type == hoof_type_f32 ? 1 : Int(hoof_dot_rows) }

  /// OpenBLAS is told to use one thread (see init), so that the pool stays the only owner of threads.
  private func multiplyByBLAS(_ product: Product) {
    let piece = CPUBackend.blasPiece
    let across = product.columns > product.rows
    let length = across ? product.columns : product.rows
    let pieces = (length + piece - 1) / piece
    let cost = max(1, product.depth * min(product.rows, product.columns) * piece)
    parallel(pieces, grain: max(1, CPUBackend.multiplyGrain / cost)) { pieces in
      let part = pieces.lowerBound * piece..<min(pieces.upperBound * piece, length)
      let rows = across ? 0..<product.rows : part, columns = across ? part : 0..<product.columns
      product.multiplyByBLAS(rows: rows, columns: columns)
    }
  }

  /// Cuts a product into packed pieces. Few rows: a is packed once and every worker packs its own columns of b just before it needs them.
  /// Many rows: a panel of b is packed by all, then rows are shared out. Either way only a panel of b is ever held as floats.
  private func multiplyPacked(_ product: Product) {
    if product.rows <= CPUBackend.fewRows { multiplyFewRows(product) } else { multiplyManyRows(product) }
  }

  private func multiplyFewRows(_ product: Product) {
    let groups = (product.columns + Packing.group - 1) / Packing.group
    let sizeOfA = product.rows * Packing.rowStride
    withScratch(bytes: product.blocks * sizeOfA * 4) { scratch in
      let packedA = scratch.assumingMemoryBound(to: Float.self)
      parallel(product.blocks, grain: max(1, CPUBackend.packingGrain / sizeOfA)) { blocks in
        for block in blocks { product.packA(simd, rows: 0..<product.rows, block: block, into: packedA + block * sizeOfA) }
      }
      // A column of out costs 2·rows·depth operations; below some tens of thousands a second worker does not pay.
      let grain = max(1, CPUBackend.multiplyGrain / (Packing.group * max(1, product.depth) * product.rows))
      parallel(groups, grain: grain) { groups in
        withScratch(bytes: Packing.group * Packing.depth * 4) { scratch in
          let packedB = scratch.assumingMemoryBound(to: Float.self)
          for group in groups {
            let columns = group * Packing.group..<min((group + 1) * Packing.group, product.columns)
            for block in 0..<product.blocks {
              product.packB(simd, columns: columns, block: block, into: packedB)
              product.multiply(simd, packedA + block * sizeOfA, packedB, rows: 0..<product.rows, columns: columns, block: block)
            }
          }
        }
      }
    }
  }

  private func multiplyManyRows(_ product: Product) {
    let blocksPerPanel = min(product.blocks, CPUBackend.panelDepth / Packing.depth)
    let fitting = CPUBackend.panelFloats / (blocksPerPanel * Packing.depth * Packing.group)
    let groupsPerPanel = min((product.columns + Packing.group - 1) / Packing.group, fitting)
    let columnsPerPanel = groupsPerPanel * Packing.group
    let sizeOfB = columnsPerPanel * Packing.depth
    let tile = hoof_gemm_tile_rows(simd)
    let tiles = (product.rows + tile - 1) / tile
    let rowsPerBlock = CPUBackend.rowsPerBlock / tile * tile

    withScratch(bytes: blocksPerPanel * sizeOfB * 4) { scratch in
      let packedB = scratch.assumingMemoryBound(to: Float.self)
      for firstColumn in stride(from: 0, to: product.columns, by: columnsPerPanel) {
        let columns = firstColumn..<min(firstColumn + columnsPerPanel, product.columns)
        let groups = (columns.count + Packing.group - 1) / Packing.group
        for firstBlock in stride(from: 0, to: product.blocks, by: blocksPerPanel) {
          let blocks = firstBlock..<min(firstBlock + blocksPerPanel, product.blocks)
          parallel(groups * blocks.count, grain: max(1, CPUBackend.packingGrain / (Packing.group * Packing.depth))) { pieces in
            for piece in pieces {
              let (index, group) = piece.quotientAndRemainder(dividingBy: groups)
              let block = firstBlock + index
              let start = columns.lowerBound + group * Packing.group
              let target = packedB + index * sizeOfB + group * Packing.group * product.depth(of: block)
              product.packB(simd, columns: start..<min(start + Packing.group, columns.upperBound), block: block, into: target)
            }
          }
          parallel(tiles, grain: CPUBackend.fewestTiles) { tiles in
            let rows = tiles.lowerBound * tile..<min(tiles.upperBound * tile, product.rows)
            withScratch(bytes: rowsPerBlock * Packing.rowStride * 4) { scratch in
              let packedA = scratch.assumingMemoryBound(to: Float.self)
              for start in stride(from: rows.lowerBound, to: rows.upperBound, by: rowsPerBlock) {
                let part = start..<min(start + rowsPerBlock, rows.upperBound)
                for block in blocks {
                  if !product.readsAInPlace { product.packA(simd, rows: part, block: block, into: packedA) }
                  product.multiply(
                    simd, product.readsAInPlace ? nil : packedA, packedB + (block - firstBlock) * sizeOfB, rows: part, columns: columns,
                    block: block)
                }
              }
            }
          }
        }
      }
    }
  }

  private static var blasPiece: Int { 48 }
  private static var fewRows: Int { 128 }
  /// Rows of a packed at a time: with a depth of 512 half a megabyte, which the second cache holds beside a sliver of b.
  private static var rowsPerBlock: Int { 240 }
  /// A panel of b: 4 MB, in the third cache.
  private static var panelFloats: Int { 1 << 20 }
  private static var panelDepth: Int { 2048 }
  private static var packingGrain: Int { 32_768 }
  private static var multiplyGrain: Int { 1 << 18 }
  private static var fewestTiles: Int { 4 }
}

/// One matrix product and how it is cut: K-blocks at fixed places, so that every element of out is summed in the same order whatever the
/// shape of the rest and however many workers there are.
struct Product {
  let a: UnsafePointer<Float>, strideOfA: Int, transposedA: Int32
  let b: UnsafeRawPointer, rowBytesOfB: Int, typeOfB: hoof_type, transposedB: Int32
  let out: UnsafeMutablePointer<Float>
  let rows: Int, columns: Int, depth: Int
  let beta: Float

  init(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    self.a = UnsafePointer(a.f32)
    self.b = UnsafeRawPointer(b.raw)
    self.out = out.f32
    self.beta = beta
    strideOfA = a.columns
    transposedA = transpose == .left ? 1 : 0
    rowBytesOfB = b.rowBytes
    typeOfB = b.dtype.stored
    transposedB = transpose == .right ? 1 : 0
    rows = out.rows
    columns = out.columns
    depth = transpose == .left ? a.rows : a.columns
  }

  /// At least one: an empty sum still scales out by beta.
  var blocks: Int { max(1, (depth + Packing.depth - 1) / Packing.depth) }
  func depth(of block: Int) -> Int { min(Packing.depth, depth - block * Packing.depth) }

  func packA(_ simd: hoof_simd, rows: Range<Int>, block: Int, into packed: UnsafeMutablePointer<Float>) {
    hoof_gemm_pack_a(simd, a, strideOfA, transposedA, rows.lowerBound, rows.count, block * Packing.depth, depth(of: block), packed)
  }

  func packB(_ simd: hoof_simd, columns: Range<Int>, block: Int, into packed: UnsafeMutablePointer<Float>) {
    hoof_gemm_pack_b(
      simd, typeOfB, b, rowBytesOfB, transposedB, columns.lowerBound, columns.count, block * Packing.depth, depth(of: block), packed)
  }

  /// Whether the kernels can read a where it lies: rows one after another, and not so far apart that a tile's rows share the first cache's
  /// sets (strides near a multiple of 4 KB). Packing took 3 % of an ablation study.
  var readsAInPlace: Bool {
    let distance = strideOfA * 4 % 4096
    return transposedA == 0 && depth > 0 && distance >= 256 && distance <= 4096 - 256
  }

  /// `packedA`: nil reads a in place.
  func multiply(
    _ simd: hoof_simd, _ packedA: UnsafePointer<Float>?, _ packedB: UnsafePointer<Float>, rows: Range<Int>, columns: Range<Int>, block: Int
  ) {
    let first = packedA ?? a + rows.lowerBound * strideOfA + block * Packing.depth
    hoof_gemm_multiply(
      simd, first, packedA == nil ? strideOfA : Packing.rowStride, packedB, rows.count, columns.count, depth(of: block),
      block == 0 ? beta : 1,
      out + rows.lowerBound * self.columns + columns.lowerBound, self.columns)
  }
}

extension Product {
  func multiplyByBLAS(rows: Range<Int>, columns: Range<Int>) {
    let firstA = transposedA != 0 ? a + rows.lowerBound : a + rows.lowerBound * strideOfA
    let all = b.assumingMemoryBound(to: Float.self)
    let strideOfB = rowBytesOfB / 4
    let firstB = transposedB != 0 ? all + columns.lowerBound * strideOfB : all + columns.lowerBound
    cblas_sgemm(
      CblasRowMajor, transposedA != 0 ? CblasTrans : CblasNoTrans, transposedB != 0 ? CblasTrans : CblasNoTrans,
      Int32(rows.count), Int32(columns.count), Int32(depth), 1, firstA, Int32(max(1, strideOfA)), firstB, Int32(max(1, strideOfB)), beta,
      out + rows.lowerBound * self.columns + columns.lowerBound, Int32(self.columns))
  }
}

private enum Packing {
  static var depth: Int { Int(hoof_gemm_depth) }
  static var group: Int { Int(hoof_gemm_group) }
  static var rowStride: Int { Int(hoof_gemm_row) }
}

extension DType {
  /// The name the C kernels know this type by.
  var stored: hoof_type {
    switch self {
    case .f32: hoof_type_f32
    case .f16: hoof_type_f16
    case .bf16: hoof_type_bf16
    case .i32: hoof_type_i32
    case .q8_0: hoof_type_q8_0
    case .q4_K: hoof_type_q4_K
    }
  }
}
