import CKernels

/// Products of many rows with quantised weights in whole numbers: `Precision.int16`.
extension CPUBackend {
  /// a is packed once; every worker packs its own columns of b just before it needs them.
  func multiplyFixed(_ product: Product) {
    let groups = (product.columns + Fixed.group - 1) / Fixed.group
    for first in stride(from: 0, to: product.rows, by: CPUBackend.rowsAtOnce) {
      let rows = first..<min(first + CPUBackend.rowsAtOnce, product.rows)
      let sizeOfA = rows.count * Fixed.rowStride
      withScratch(bytes: product.fixedBlocks * sizeOfA) { packedA in
        parallel(rows.count, grain: max(1, CPUBackend.roundingGrain / max(1, product.depth))) { part in
          for block in 0..<product.fixedBlocks {
            product.packFixedA(
              simd, rows: first + part.lowerBound..<first + part.upperBound, block: block,
              into: packedA + block * sizeOfA + part.lowerBound * Fixed.rowStride)
          }
        }
        let grain = max(1, CPUBackend.fixedGrain / (Fixed.group * max(1, product.depth) * rows.count))
        parallel(groups, grain: grain) { groups in
          withScratch(bytes: Int(hoof_fixed_columns)) { packedB in
            for group in groups {
              for block in 0..<product.fixedBlocks {
                product.packFixedB(simd, group: group, block: block, into: packedB)
                product.multiplyFixed(
                  simd, packedA + block * sizeOfA, packedB, rows: rows, group: group, block: block, until: groups.upperBound)
              }
            }
          }
        }
      }
    }
  }

  /// Rows of a that are packed at a time: with a depth of 8192 some 20 MB, in the third cache or beside it, read once for each group of columns.
  private static var rowsAtOnce: Int { 1024 }
  private static var roundingGrain: Int { 16_384 }
  private static var fixedGrain: Int { 1 << 19 }
}

extension Product {
  /// Whether the whole-number kernels are written for it.
  var isFixed: Bool { (typeOfB == hoof_type_q8_0 || typeOfB == hoof_type_q4_K) && transposedB != 0 && transposedA == 0 }

  /// At least one: an empty sum still scales out by beta.
  fileprivate var fixedBlocks: Int { max(1, (depth + Fixed.depth - 1) / Fixed.depth) }
  private func fixedDepth(of block: Int) -> Int { min(Fixed.depth, depth - block * Fixed.depth) }

  fileprivate func packFixedA(_ simd: hoof_simd, rows: Range<Int>, block: Int, into packed: UnsafeMutableRawPointer) {
    hoof_fixed_pack_a(
      simd, typeOfB, a + rows.lowerBound * strideOfA, strideOfA, rows.count, block * Fixed.depth, fixedDepth(of: block), packed)
  }

  fileprivate func packFixedB(_ simd: hoof_simd, group: Int, block: Int, into packed: UnsafeMutableRawPointer) {
    let columns = fixedColumns(group)
    hoof_fixed_pack_b(
      simd, typeOfB, b, rowBytesOfB, columns.lowerBound, columns.count, block * Fixed.depth, fixedDepth(of: block), packed)
  }

  fileprivate func multiplyFixed(
    _ simd: hoof_simd, _ packedA: UnsafeRawPointer, _ packedB: UnsafeRawPointer, rows: Range<Int>, group: Int, block: Int,
    until lastGroup: Int
  ) {
    let columns = fixedColumns(group)
    hoof_fixed_multiply(
      simd, typeOfB, packedA, packedB, rows.count, columns.count, fixedDepth(of: block), block == 0 ? beta : 1,
      out + rows.lowerBound * self.columns + columns.lowerBound, self.columns, weights(after: group, block: block, until: lastGroup))
  }

  /// What is packed next: the same columns further down, or the next columns from the top.
  private func weights(after group: Int, block: Int, until lastGroup: Int) -> hoof_ahead {
    let (group, block) = block + 1 < fixedBlocks ? (group, block + 1) : (group + 1, 0)
    guard group < lastGroup else { return hoof_ahead() }
    let columns = fixedColumns(group)
    let start = b + columns.lowerBound * rowBytesOfB + hoof_row_bytes(typeOfB, block * Fixed.depth)
    return hoof_ahead(
      start: start, stride: rowBytesOfB, rows: columns.count, bytes: hoof_row_bytes(typeOfB, fixedDepth(of: block)))
  }

  private func fixedColumns(_ group: Int) -> Range<Int> { group * Fixed.group..<min((group + 1) * Fixed.group, columns) }
}

private enum Fixed {
  static var depth: Int { Int(hoof_fixed_depth) }
  static var group: Int { Int(hoof_fixed_group) }
  static var rowStride: Int { Int(hoof_fixed_row) }
}
