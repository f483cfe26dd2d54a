import CKernels
import TensorCore
import Testing

@testable import BackendCUDA

/// cuBLAS as its manual describes it: matrices by columns, naive sums, queued in the fake driver's stream. f32 only.
private enum FakeBLAS {
  static let calls: hoof_cublas_calls = {
    var calls = hoof_cublas_calls()
    calls.cublasCreate_v2 = { out in
      out?.pointee = OpaquePointer(bitPattern: 0x4000)
      return 0
    }
    calls.cublasDestroy_v2 = { _ in 0 }
    calls.cublasGetVersion_v2 = { _, out in
      out?.pointee = 120405
      return 0
    }
    calls.cublasSetStream_v2 = { _, _ in 0 }
    calls.cublasSetWorkspace_v2 = { _, workspace, _ in workspace == nil ? 7 : 0 }
    calls.cublasSetMathMode = { _, _ in 0 }
    calls.cublasGemmEx = { _, opA, opB, m, n, k, alpha, a, aType, aStride, b, bType, bStride, beta, c, cType, cStride, compute, algorithm in
      guard aType == 0, bType == 0, cType == 0, compute == 68, algorithm == -1, let alphas = alpha, let betas = beta else { return 15 }
      // Large ones are only timed.
      guard Int(m) * Int(n) * Int(k) < 1 << 20 else { return 0 }
      let (scale, kept) = (alphas.load(as: Float.self), betas.load(as: Float.self))
      let (a, b, c) = (UInt(bitPattern: a), UInt(bitPattern: b), UInt(bitPattern: c))
      FakeDriver.queueForBLAS {
        guard let a = UnsafePointer<Float>(bitPattern: a), let b = UnsafePointer<Float>(bitPattern: b),
          let c = UnsafeMutablePointer<Float>(bitPattern: c)
        else { return }
        for row in 0..<Int(m) {
          for column in 0..<Int(n) {
            var sum: Float = 0
            for i in 0..<Int(k) {
              sum +=
                (opA == 0 ? a[row + i * Int(aStride)] : a[i + row * Int(aStride)])
                * (opB == 0 ? b[i + column * Int(bStride)] : b[column + i * Int(bStride)])
            }
            let old = kept == 0 ? 0 : kept * c[row + column * Int(cStride)]
            c[row + column * Int(cStride)] = scale * sum + old
          }
        }
      }
      return 0
    }
    return calls
  }()
}

extension FakeDriverTests {
  @Suite struct Vendor {
    private func backend(_ mode: VendorBLAS) throws -> CUDABackend {
      FakeDriver.reset()
      return try FakeDriver.backend(.init(precision: .f32, vendorBLAS: mode), blas: FakeBLAS.calls)
    }

    private func tensor(_ values: [Float], _ rows: Int, _ columns: Int, on backend: CUDABackend) throws -> Tensor {
      let tensor = try DeviceBlock(values.count * 4, on: backend).tensor(.f32, rows: rows, columns: columns)
      try values.withUnsafeBytes { try backend.upload($0, into: tensor) }
      return tensor
    }

    @Test("row-major products in all three forms, added to what was there", arguments: [Transpose.none, .left, .right])
    func forms(transpose: Transpose) throws {
      let backend = try backend(.on)
      let (m, n, k) = (3, 5, 4)
      let a = (0..<m * k).map { Float($0 * 7 % 11) - 5 }, b = (0..<k * n).map { Float($0 * 5 % 13) - 6 }
      let old = (0..<m * n).map { Float($0) }
      let out = try tensor(old, m, n, on: backend)
      let done = backend.vendorMatmul(
        try transpose == .left ? tensor(a, k, m, on: backend) : tensor(a, m, k, on: backend),
        try transpose == .right ? tensor(b, n, k, on: backend) : tensor(b, k, n, on: backend), transpose: transpose, beta: 0.5, into: out,
        ours: { _ in Issue.record("compared although cuBLAS is on") })
      #expect(done)
      var expected = old.map { $0 / 2 }
      for i in 0..<m {
        for j in 0..<n {
          for l in 0..<k {
            expected[i * n + j] += (transpose == .left ? a[l * m + i] : a[i * k + l]) * (transpose == .right ? b[j * k + l] : b[l * n + j])
          }
        }
      }
      var values = [Float](repeating: 0, count: m * n)
      try values.withUnsafeMutableBytes { try backend.download(out, into: $0) }
      #expect(values == expected)
    }

    @Test("with auto, both are timed once a shape, into memory of their own; small products and other types stay ours")
    func compared() throws {
      let backend = try backend(.auto)
      let small = try tensor([1, 2, 3, 4], 2, 2, on: backend)
      #expect(!backend.vendorMatmul(small, small, transpose: .none, beta: 0, into: small, ours: { _ in Issue.record("timed") }))

      let a = try DeviceBlock(512 * 512 * 4, on: backend).tensor(.f32, rows: 512, columns: 512)
      let out = try DeviceBlock(512 * 512 * 4, on: backend).tensor(.f32, rows: 512, columns: 512)
      var targets: [Tensor] = []
      FakeDriver.state.withLock { $0.milliseconds = [3, 2, 2, 5, 4, 6] }
      #expect(backend.vendorMatmul(a, a, transpose: .none, beta: 0, into: out, ours: { targets.append($0) }))
      #expect(targets.count == 4 && targets.allSatisfy { $0.address != out.address && $0.shape == out.shape })
      #expect(backend.vendorMatmul(a, a, transpose: .none, beta: 0, into: out, ours: { targets.append($0) }))
      #expect(targets.count == 4)
      FakeDriver.state.withLock { $0.milliseconds = [3, 2, 2, 1, 4, 6] }
      #expect(!backend.vendorMatmul(a, a, transpose: .right, beta: 0, into: out, ours: { targets.append($0) }))
      #expect(!backend.vendorMatmul(a, a, transpose: .right, beta: 0, into: out, ours: { targets.append($0) }))
      #expect(targets.count == 8)

      let half = try DeviceBlock(512 * 512 * 4, on: backend).tensor(.f16, rows: 512, columns: 512)
      #expect(!backend.vendorMatmul(a, half, transpose: .none, beta: 0, into: out, ours: { _ in Issue.record("timed") }))
    }

    @Test("no memory for a second result: the product stays ours without asking again, and nothing is remembered as a failure")
    func noMemory() throws {
      let backend = try backend(.auto)
      let a = try DeviceBlock(512 * 512 * 4, on: backend).tensor(.f32, rows: 512, columns: 512)
      _ = backend.vendor.availability
      FakeDriver.state.withLock { $0.memoryLimit = $0.used }
      #expect(!backend.vendorMatmul(a, a, transpose: .none, beta: 0, into: a, ours: { _ in Issue.record("timed") }))
      try backend.synchronize()
      FakeDriver.state.withLock { $0.memoryLimit = .max }
      #expect(!backend.vendorMatmul(a, a, transpose: .none, beta: 0, into: a, ours: { _ in Issue.record("timed") }))
    }

    @Test("dimensions are remembered in steps of a quarter power of two")
    func steps() {
      #expect([1, 4, 5, 8, 9, 63, 64, 71, 72, 1000, 2048].map(VendorMatmul.Shape.step) == [1, 4, 5, 8, 10, 64, 64, 64, 80, 1024, 2048])
    }

    @Test("details say which library is used, or why none is")
    func details() throws {
      let used = try backend(.auto).details.first { $0.name == "cuBLAS" }?.value
      #expect(used == "12.4.5 (libcublas.so.12), where faster")
      FakeDriver.reset()
      let absent = try FakeDriver.backend(.init()).details
      #expect(absent.last?.value == "not used: none of libcublas can be opened")
      #expect(absent.first { $0.name == "driver" }?.value == "CUDA 12.4")
    }
  }
}
