import TensorCore

/// The files of Sources/CKernels/cuda, each a module of its own: what a study does not use is not compiled by the driver.
enum KernelFile: String, CaseIterable {
  case elementwise, copy, rows, norm, rope, gate, loss, update
  case matmul, quantized, attention, divergence
  /// Hopper's own instructions; only on compute capability 9.0.
  case matmul_sm90a, divergence_sm90a
}

/// Blocks of a launch.
struct Grid {
  var x: Int, y = 1, z = 1
}

/// A value as a kernel receives it: device pointers (8 bytes), 4-byte integers, floats, tensor maps.
protocol KernelArgument: BitwiseCopyable {}
extension UInt64: KernelArgument {}
extension Int32: KernelArgument {}
extension UInt32: KernelArgument {}
extension Float: KernelArgument {}

/// 128 opaque bytes of CUtensorMap, 64-byte aligned in the kernel's parameters.
struct TensorMap: KernelArgument {
  var words: InlineArray<16, UInt64>
}

extension Tensor {
  /// The first byte, as kernels receive it.
  var pointer: UInt64 { UInt64(address.bits) }
}

extension Tensor? {
  /// nil is a null pointer.
  var pointer: UInt64 { self.map { UInt64($0.address.bits) } ?? 0 }
}

// Contract of the driver layer (filled by Driver/):
//
//   final class CUDABackend: Sendable                    // conforms to ComputeBackend
//     let precision: Precision                           // .bf16 (default), .tf32, .f32
//     let device: CUDADevice                             // name, capability (90), multiprocessors, sharedBytesPerBlock, l2Bytes ...
//     /// Queues a kernel: file and name, blocks, threads a block, dynamic shared bytes (raised above 48 KB by itself), then the arguments in
//     /// the order of the kernel's parameters. A failure is kept and thrown by the next `synchronize` or `download`.
//     func launch<each A: KernelArgument>(
//       _ file: KernelFile, _ kernel: String, grid: Grid, threads: Int, shared: Int = 0, _ arguments: repeat each A)
//     /// Device memory for the duration of `body`'s launches: freed in stream order behind them.
//     func withScratch(byteCount: Int, _ body: (UInt64) -> Void)
//     /// Zeroes device memory in stream order.
//     func clear(_ address: UInt64, byteCount: Int)
//     /// A tensor map of a row-major bf16 matrix [rows, columns] with boxes of [boxRows, boxColumns], 128-byte swizzle; nil when the
//     /// address or the row stride is no multiple of 16 bytes.
//     func tensorMap(_ address: UInt64, rows: Int, columns: Int, rowStride: Int, boxRows: Int, boxColumns: Int) -> TensorMap?
