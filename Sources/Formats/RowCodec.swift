import CKernels
import TensorCore

/// Rows of a tensor to and from 32-bit floats. Pointers into files need not be aligned.
enum RowCodec {
  /// The instructions this machine has; every level gives the same bits.
  private static let simd = hoof_simd_level()

  /// row: `dtype.rowBytes(columns:)` bytes → out: `columns` floats.
  static func decode(_ row: UnsafeRawPointer, _ dtype: DType, columns: Int, into out: UnsafeMutablePointer<Float>) {
    hoof_row_to_f32(simd, hoof_type(UInt32(dtype.rawValue)), row, 0, columns, out)
  }

  /// x: `columns` floats → out: `dtype.rowBytes(columns:)` bytes. What a last block has beyond the columns counts as zero.
  static func encode(_ x: UnsafePointer<Float>, _ dtype: DType, columns: Int, into out: UnsafeMutableRawPointer) {
    switch dtype {
    case .f32, .f16, .bf16: hoof_row_from_f32(simd, hoof_type(UInt32(dtype.rawValue)), x, columns, out)
    case .q8_0: hoof_quantize_q8_0(x, out, columns)
    case .q4_K: hoof_quantize_q4_K(x, out, columns)
    case .i32: preconditionFailure("encode: weights cannot be i32")
    }
  }

  /// Whether none of the values is NaN or infinite.
  static func isFinite(_ bytes: UnsafeRawBufferPointer, _ dtype: DType) -> Bool {
    let (start, count) = (bytes.baseAddress, bytes.count / dtype.block.bytes)
    switch dtype {
    case .f32: return hoof_finite_f32(start, count) != 0
    case .f16: return hoof_finite_f16(start, count) != 0
    case .bf16: return hoof_finite_bf16(start, count) != 0
    case .i32: return true
    // The only floats of a block are its scale (q8_0), or scale and minimum (q4_K).
    case .q8_0: return hoof_finite_blocks(start, count, dtype.block.bytes, 1) != 0
    case .q4_K: return hoof_finite_blocks(start, count, dtype.block.bytes, 2) != 0
    }
  }
}
