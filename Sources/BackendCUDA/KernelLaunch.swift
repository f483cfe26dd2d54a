import CKernels
import TensorCore

/// The files of Sources/CKernels/cuda, each a module of its own: what a study does not use is not compiled by the driver.
enum KernelFile: Int, CaseIterable {
  case elementwise, copy, rows, norm, rope, gate, loss, update, adamw8
  case matmul, matmul_backward, matmul_mixed, matmul_f32, matmul_tf32, quantized, quantized_backward
  case matvec, matvec_f32, matvec_quantized
  case attention, attention_general, attention_backward, attention_backward_general, divergence
  /// Hopper's own instructions; only on compute capability 9.0.
  case matmul_sm90a, divergence_sm90a

  /// The file's name without its suffix.
  var name: String { "\(self)" }
}

/// Blocks of a launch.
struct Grid {
  var x: Int, y = 1, z = 1
}

extension CUDABackend {
  /// Queues a kernel: file and name, blocks, threads a block, dynamic shared bytes (raised above 48 KB by itself), then the arguments in
  /// the order of the kernel's parameters. No blocks, no launch. A failure is kept and thrown by the next call that can; until then
  /// launches are ignored.
  @inline(__always)
  func launch<each A: KernelArgument>(
    _ file: KernelFile, _ kernel: String, grid: Grid, threads: Int, shared: Int = 0, _ arguments: repeat each A
  ) {
    guard grid.x > 0, grid.y > 0, grid.z > 0, !failure.isSet else { return }
    withUnsafeTemporaryAllocation(byteCount: PackedArguments.capacity, alignment: PackedArguments.alignment) { buffer in
      var packed = PackedArguments(buffer)
      repeat packed.append(each arguments)
      launch(file, kernel, grid, threads, shared, packed)
    }
  }

  private func launch(_ file: KernelFile, _ kernel: String, _ grid: Grid, _ threads: Int, _ shared: Int, _ arguments: PackedArguments) {
    precondition(
      grid.x <= Int(Int32.max) && grid.y <= 65535 && grid.z <= 65535 && (1...1024).contains(threads),
      "\(kernel): \(grid.x) × \(grid.y) × \(grid.z) blocks of \(threads) threads")
    deferring { () throws(BackendError) in
      let function = try modules.function(file, kernel, sharedBytes: shared)
      try queue.launch(function, kernel, grid: grid, threads: threads, sharedBytes: shared, arguments)
    }
  }

  /// Device memory for the duration of `body`'s launches: freed in stream order behind them. 512-byte aligned.
  func withScratch(byteCount: Int, _ body: (UInt64) -> Void) {
    guard !failure.isSet else { return }
    deferring { () throws(BackendError) in
      let address = try queue.allocate(max(byteCount, 16))
      body(address)
      try queue.free(address)
    }
  }

  /// Zeroes device memory in stream order.
  func clear(_ address: UInt64, byteCount: Int) {
    guard byteCount > 0, !failure.isSet else { return }
    deferring { () throws(BackendError) in
      try queue.enter()
      try queue.driver.check(queue.driver.call.cuMemsetD8Async(address, 0, byteCount, queue.stream), "cuMemsetD8Async")
    }
  }

  /// Copies device memory in stream order; the ranges do not overlap.
  func move(from source: UInt64, to target: UInt64, byteCount: Int) {
    guard byteCount > 0, !failure.isSet else { return }
    deferring { () throws(BackendError) in
      try queue.enter()
      try queue.driver.check(queue.driver.call.cuMemcpyDtoDAsync_v2(target, source, byteCount, queue.stream), "cuMemcpyDtoDAsync")
    }
  }

  /// Runs what an op, which cannot throw, asks of the driver; keeps the first failure.
  func deferring(_ work: () throws(BackendError) -> Void) {
    do throws(BackendError) { try work() } catch { failure.keep(error) }
  }
}

extension CUDAQueue {
  func launch(
    _ function: KernelFunction, _ name: String, grid: Grid, threads: Int, sharedBytes: Int, _ arguments: PackedArguments
  ) throws(BackendError) {
    try enter()
    var byteCount = arguments.byteCount
    let code = withUnsafeMutablePointer(to: &byteCount) { size in
      withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: 5) { extra in
        extra[0] = UnsafeMutableRawPointer(bitPattern: HOOF_CU_LAUNCH_PARAM_BUFFER_POINTER)
        extra[1] = arguments.start
        extra[2] = UnsafeMutableRawPointer(bitPattern: HOOF_CU_LAUNCH_PARAM_BUFFER_SIZE)
        extra[3] = UnsafeMutableRawPointer(size)
        extra[4] = UnsafeMutableRawPointer(bitPattern: HOOF_CU_LAUNCH_PARAM_END)
        return driver.call.cuLaunchKernel(
          function.handle, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z), UInt32(threads), 1, 1, UInt32(sharedBytes), stream, nil,
          extra.baseAddress)
      }
    }
    try driver.check(code, "cuLaunchKernel \(name)")
  }
}
