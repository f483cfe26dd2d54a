import CKernels
import TensorCore
import Testing

@testable import BackendCUDA

extension FakeDriverTests {
  @Suite struct Launches {
    @Test("arguments lie where the kernel's parameters do")
    func packing() throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      let map = TensorMap(words: .init(repeating: 0x1122_3344_5566_7788))
      backend.launch(
        .norm, "hoof_norm", grid: Grid(x: 3, y: 2), threads: 96, UInt64(0xa1), Int32(-2), UInt64(0xb2), Float(1), map, UInt32(7))
      let launch = try #require(FakeDriver.launches.first)
      #expect(launch.kernel == "hoof_norm" && launch.grid == [3, 2, 1] && launch.threads == 96 && launch.sharedBytes == 0)
      launch.arguments.withUnsafeBytes { bytes in
        #expect(bytes.count == 64 + 128 + 4)
        #expect(bytes.load(fromByteOffset: 0, as: UInt64.self) == 0xa1 && bytes.load(fromByteOffset: 8, as: Int32.self) == -2)
        #expect(bytes.load(fromByteOffset: 16, as: UInt64.self) == 0xb2 && bytes.load(fromByteOffset: 24, as: Float.self) == 1)
        #expect(bytes.load(fromByteOffset: 64, as: UInt64.self) == 0x1122_3344_5566_7788)
        #expect(bytes.load(fromByteOffset: 192, as: UInt32.self) == 7)
      }
    }

    @Test("no blocks, no launch")
    func empty() throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      backend.launch(.norm, "hoof_norm", grid: Grid(x: 0), threads: 32, UInt64(0))
      backend.launch(.norm, "hoof_norm", grid: Grid(x: 1, y: 0), threads: 32, UInt64(0))
      backend.clear(0, byteCount: 0)
      try backend.synchronize()
      #expect(FakeDriver.launches.isEmpty && FakeDriver.counts["cuModuleLoadDataEx"] == nil)
    }

    @Test("a file is loaded once, a function is asked for once, more shared memory than 48 KB (1 KB of it static here) once")
    func cached() throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      for shared in [0, 48_128, 65_536, 65_536, 60_000, 131_072] {
        backend.launch(.matmul, "hoof_gemm", grid: Grid(x: 1), threads: 32, shared: shared, UInt64(0))
      }
      backend.launch(.matmul, "hoof_other", grid: Grid(x: 1), threads: 32, UInt64(0))
      try backend.synchronize()
      let counts = FakeDriver.counts
      #expect(counts["cuModuleLoadDataEx"] == 1 && counts["cuModuleGetFunction"] == 2 && counts["cuFuncSetAttribute"] == 2)
      #expect(counts["cuLaunchKernel"] == 7)
    }

    @Test("the first failure is told by the next call that can, names the kernel, ends all launching and stays")
    func sticky() throws {
      FakeDriver.reset { $0.failures["cuLaunchKernel"] = (1, 700) }
      let backend = try FakeDriver.backend()
      let block = try DeviceBlock(64, on: backend)
      for name in ["first", "second", "third"] { backend.launch(.rope, name, grid: Grid(x: 1), threads: 32, UInt64(0)) }
      #expect(FakeDriver.counts["cuLaunchKernel"] == 2 && FakeDriver.launches.map(\.kernel) == ["first"])
      let call = "cuLaunchKernel second (CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered)"
      let expected = BackendError.device(code: 700, call: call)
      var bytes = [UInt8](repeating: 0, count: 64)
      #expect(throws: expected) { try bytes.withUnsafeMutableBytes { try backend.download(block.tensor, into: $0) } }
      #expect(throws: expected) { try bytes.withUnsafeBytes { try backend.upload($0, into: block.tensor) } }
      #expect(throws: expected) { try backend.synchronize() }
      #expect(throws: expected) { try backend.allocate(byteCount: 4) }
    }

    @Test("a kernel image the driver refuses: its compiler's words are in the error")
    func refusedImage() throws {
      FakeDriver.reset {
        $0.failures["cuModuleLoadDataEx"] = (0, 218)
        $0.jitLog = "ptxas fatal: unsupported"
      }
      let backend = try FakeDriver.backend()
      backend.launch(.rope, "hoof_rope", grid: Grid(x: 1), threads: 32, UInt64(0))
      let expected = "cuModuleLoadDataEx of kernel image rope: ptxas fatal: unsupported (CUDA_ERROR_OTHER: something else)"
      #expect(throws: BackendError.device(code: 218, call: expected)) { try backend.synchronize() }
    }

    @Test("a kernel file this build lacks")
    func missingImage() throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      backend.launch(.loss, "hoof_loss", grid: Grid(x: 1), threads: 32, UInt64(0))
      #expect(throws: BackendError.unavailable(reason: "this build has no kernel image 'loss': scripts/kernels.sh compiles it")) {
        try backend.synchronize()
      }
    }

    @Test("tensor maps: what the driver is asked, and when there is none")
    func tensorMap() throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      let map = try #require(backend.tensorMap(0x100, rows: 100, columns: 72, rowStride: 80, boxRows: 128, boxColumns: 64))
      let expected: [UInt64] = [9, 2, 0x100, 72, 100, 160, 64, 128, 3]
      #expect(expected.indices.allSatisfy { map.words[$0] == expected[$0] })
      #expect(backend.tensorMap(0x108, rows: 100, columns: 72, rowStride: 80, boxRows: 128, boxColumns: 64) == nil)
      #expect(backend.tensorMap(0x100, rows: 100, columns: 72, rowStride: 75, boxRows: 128, boxColumns: 64) == nil)
      FakeDriver.reset { $0.capability = 80 }
      #expect(try FakeDriver.backend().tensorMap(0x100, rows: 8, columns: 8, rowStride: 8, boxRows: 8, boxColumns: 8) == nil)
    }

    @Test("a model's upload compiles its kernels meanwhile, and one launch waits for one file")
    func warmUp() throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      let block = try DeviceBlock(8 << 20, on: backend)
      let bytes = [UInt8](repeating: 3, count: 8 << 20)
      for _ in 0..<2 { try bytes.withUnsafeBytes { try backend.upload($0, into: block.tensor) } }
      for file in [KernelFile.matmul, .attention, .divergence, .matmul_sm90a] {
        backend.launch(file, "hoof_\(file)", grid: Grid(x: 1), threads: 32, UInt64(0))
      }
      for file in KernelFile.allCases where file != .loss { try backend.modules.load(file) }
      try backend.synchronize()
      #expect(FakeDriver.counts["cuModuleLoadDataEx"] == KernelFile.allCases.count - 1)
    }
  }
}

extension TensorMap: Equatable {
  public static func == (a: TensorMap, b: TensorMap) -> Bool { (0..<16).allSatisfy { a.words[$0] == b.words[$0] } }
}
