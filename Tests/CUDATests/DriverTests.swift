import CKernels
import Glibc
import Synchronization
import TensorCore
import TensorTesting
import Testing

@testable import BackendCUDA

/// All that use `FakeDriver`, one after the other.
@Suite(.serialized) struct FakeDriverTests {}

/// A tensor in the backend's memory. The ops are no part of these tests, so its storage only borrows.
final class DeviceBlock: Sendable {
  let backend: CUDABackend
  let address: DeviceAddress
  let byteCount: Int

  init(_ byteCount: Int, on backend: CUDABackend) throws {
    self.backend = backend
    self.byteCount = byteCount
    address = try backend.allocate(byteCount: byteCount)
  }

  deinit { backend.deallocate(address, byteCount: byteCount) }

  /// i32, because it is the type that says least.
  var tensor: Tensor { tensor(.i32, rows: byteCount / 4, columns: 1) }

  func tensor(_ dtype: DType, rows: Int, columns: Int) -> Tensor {
    let storage = Storage(borrowing: address, byteCount: byteCount, from: self, on: ReferenceBackend())
    return Tensor(storage: storage, dtype: dtype, shape: Shape(rows, columns))
  }
}

extension FakeDriverTests {
  @Suite struct Refusals {
    private func reason(_ options: BackendRegistry.Options = .init(), _ change: (inout FakeDriver.State) -> Void) -> String {
      FakeDriver.reset(change)
      do throws(BackendError) {
        return "opened \(try FakeDriver.backend(options).name)"
      } catch { return error.description }
    }

    @Test("no library, and a library that is no driver")
    func library() {
      #expect(throws: BackendError.self) { try CUDADriver(path: "/nowhere/libcuda.so.1") }
      do throws(BackendError) { _ = try CUDADriver(path: "libm.so.6") } catch {
        #expect(error.description == "libm.so.6 has no cuInit: it is no NVIDIA driver, or one too old for CUDA 12.1")
      }
    }

    @Test("a driver without a GPU")
    func noDevice() {
      #expect(reason { $0.startCode = 100 } == "the NVIDIA driver sees no GPU")
      #expect(reason { $0.devices = 0 } == "the NVIDIA driver sees no GPU")
    }

    @Test(
      "a driver too old for the kernels says which is needed",
      arguments: [
        (12000, "driver 525 (CUDA 12.0) is too old: the kernels need CUDA 12.1, driver 530 or newer"),
        (11080, "driver 520 (CUDA 11.8) is too old: the kernels need CUDA 12.1, driver 530 or newer"),
        (9020, "the NVIDIA driver (CUDA 9.2) is too old: the kernels need CUDA 12.1, driver 530 or newer"),
      ])
    func oldDriver(version: Int, expected: String) { #expect(reason { $0.version = version } == expected) }

    @Test("a GPU before compute capability 8.0")
    func oldDevice() {
      #expect(
        reason { $0.capability = 75 } == "GPU 0 (Fake H200) has compute capability 7.5; the kernels need 8.0 (A100) or newer")
    }

    @Test("a GPU that is not there says how many are")
    func device() {
      let expected = "there is no GPU 3: the driver sees 2, numbered from 0 (CUDA_VISIBLE_DEVICES chooses among them)"
      #expect(reason(.init(device: 3)) { $0.devices = 2 } == expected)
      #expect(reason(.init(device: -1)) { $0.devices = 2 }.hasPrefix("there is no GPU -1"))
      #expect(reason(.init(device: 1)) { $0.devices = 2 } == "opened cuda:1 (Fake H200, sm_90, bf16)")
    }

    @Test("any other failure names the call")
    func named() {
      for call in ["cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuStreamCreate", "cuDeviceGetDefaultMemPool"] {
        let text = reason { $0.failures[call] = (0, 999) }
        #expect(text == "\(call) (CUDA_ERROR_OTHER: something else) failed with code 999")
      }
      #expect(reason { $0.startCode = 803 }.hasPrefix("the NVIDIA driver does not start: CUDA_ERROR_OTHER"))
    }

    @Test("a build without kernel images, before anything is taken from the driver")
    func noImages() {
      FakeDriver.reset()
      let expected = BackendError.unavailable(reason: "this build has no kernel images: scripts/kernels.sh compiles them")
      #expect(throws: expected) { try FakeDriver.backend(image: { _ in nil }) }
      #expect(FakeDriver.counts["cuDevicePrimaryCtxRetain"] == nil)
    }

    @Test("cuBLAS that must be used and is not there")
    func blas() {
      let expected = "cuBLAS was asked for (--cublas on), but none of libcublas can be opened"
      #expect(reason(.init(vendorBLAS: .on)) { _ in } == expected)
      #expect(reason(.init(precision: .f32, vendorBLAS: .auto)) { _ in } == "opened cuda:0 (Fake H200, sm_90, f32)")
    }
  }

  @Suite struct Memory {
    @Test("memory is freed in stream order and what a backend took is given back")
    func life() throws {
      FakeDriver.reset()
      do {
        let backend = try FakeDriver.backend()
        let block = try DeviceBlock(1000, on: backend)
        #expect(block.address.bits % 512 == 0)
        #expect(try backend.allocate(byteCount: 0).bits == 0)
        backend.deallocate(DeviceAddress(bits: 0), byteCount: 0)
        #expect(backend.memory() == (1 << 30, 1 << 30 - 1000))
      }
      #expect(FakeDriver.state.withLock { $0.blocks.isEmpty && $0.pinned.isEmpty && $0.pending.isEmpty })
      #expect(FakeDriver.counts["cuDevicePrimaryCtxRelease"] == 1 && FakeDriver.counts["cuStreamDestroy"] == 1)
    }

    @Test("out of memory: the pool is trimmed, once more is tried, then needed and free are told")
    func outOfMemory() throws {
      FakeDriver.reset { $0.memoryLimit = 10 << 20 }
      let backend = try FakeDriver.backend()
      let block = try DeviceBlock(4 << 20, on: backend)
      #expect(throws: BackendError.outOfMemory(requested: 8 << 20, free: 6 << 20)) { try backend.allocate(byteCount: 8 << 20) }
      #expect(FakeDriver.counts["cuMemPoolTrimTo"] == 1 && FakeDriver.counts["cuMemAllocAsync"] == 3)
      #expect(block.byteCount == 4 << 20)
    }

    @Test("scratch that does not fit is told once, and then work goes on")
    func scratch() throws {
      FakeDriver.reset { $0.memoryLimit = 1 << 20 }
      let backend = try FakeDriver.backend()
      let ran = Atomic(0)
      backend.withScratch(byteCount: 2 << 20) { _ in ran.wrappingAdd(1, ordering: .relaxed) }
      backend.withScratch(byteCount: 16) { _ in ran.wrappingAdd(1, ordering: .relaxed) }
      #expect(ran.load(ordering: .relaxed) == 0)
      #expect(throws: BackendError.outOfMemory(requested: 2 << 20, free: 1 << 20)) { try backend.synchronize() }
      backend.withScratch(byteCount: 16) { address in
        ran.wrappingAdd(1, ordering: .relaxed)
        backend.clear(address, byteCount: 16)
      }
      try backend.synchronize()
      #expect(ran.load(ordering: .relaxed) == 1 && FakeDriver.state.withLock { $0.blocks.isEmpty })
    }

    @Test("another thread gets the context before it works")
    func threads() throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      inParallel(3) { backend.deferring { () throws(BackendError) in try backend.queue.free(try backend.queue.allocate(64)) } }
      try backend.synchronize()
    }
  }

  @Suite struct Transfers {
    /// 1, 2 ... so that a chunk in a wrong place shows.
    private func values(_ count: Int, from start: Int32 = 1) -> [Int32] { (0..<count).map { start &+ Int32(truncatingIfNeeded: $0) } }

    @Test(
      "what goes up comes down, whatever the size",
      arguments: [0, 4, 65_536, 65_540, 2 << 20, (2 << 20) + 4, (4 << 20) - 4, (9 << 20) + 12, 100 << 20])
    func roundTrip(byteCount: Int) throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      let block = try DeviceBlock(byteCount, on: backend)
      let sent = values(byteCount / 4)
      try sent.withUnsafeBytes { try backend.upload($0, into: block.tensor) }
      var received = [Int32](repeating: 0, count: sent.count)
      try received.withUnsafeMutableBytes { try backend.download(block.tensor, into: $0) }
      // Not inside the macro, which would print megabytes.
      let isSame = sent == received
      #expect(isSame)
      #expect(FakeDriver.state.withLock { $0.pageableCopies } == 0)
    }

    @Test("small uploads neither wait for the device nor lose a byte when their blocks come round again")
    func small() throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      let count = 400, width = 4099
      let block = try DeviceBlock(count * width * 4, on: backend)
      for row in 0..<count {
        let tensor = block.tensor(.i32, rows: count, columns: width).rows(row..<row + 1)
        try values(width, from: Int32(row * width)).withUnsafeBytes { try backend.upload($0, into: tensor) }
        if row == 50 {
          let waits = ["cuStreamSynchronize", "cuEventSynchronize", "cuEventRecord"].map { FakeDriver.counts[$0, default: 0] }
          #expect(waits == [0, 0, 0])
        }
      }
      var received = [Int32](repeating: 0, count: count * width)
      try received.withUnsafeMutableBytes { try backend.download(block.tensor, into: $0) }
      let isSame = received == values(count * width, from: 0)
      #expect(isSame)
      #expect(FakeDriver.state.withLock { $0.pageableCopies } == 0)
    }

    @Test("uploads of all sizes in a row keep their order")
    func mixed() throws {
      FakeDriver.reset()
      let backend = try FakeDriver.backend()
      let block = try DeviceBlock(40 << 20, on: backend)
      for (round, byteCount) in [40 << 20, 1 << 20, 4, 20 << 20, 65_536].enumerated() {
        let tensor = block.tensor(.i32, rows: byteCount / 4, columns: 1)
        try values(byteCount / 4, from: Int32(round * 1000)).withUnsafeBytes { try backend.upload($0, into: tensor) }
      }
      var received = [Int32](repeating: 0, count: 10 << 20)
      try received.withUnsafeMutableBytes { try backend.download(block.tensor, into: $0) }
      let expected = values(16_384, from: 4000) + values(5 << 20, from: 3000)[16_384...] + values(10 << 20, from: 0)[(5 << 20)...]
      let isSame = received.elementsEqual(expected)
      #expect(isSame)
    }

    @Test("a failing copy names its call, from a helper thread as well")
    func failing() throws {
      for byteCount in [4, 1 << 20, 64 << 20] {
        FakeDriver.reset()
        let backend = try FakeDriver.backend()
        let block = try DeviceBlock(byteCount, on: backend)
        FakeDriver.state.withLock { $0.failures["cuMemcpyHtoDAsync"] = (byteCount > 8 << 20 ? 5 : 0, 700) }
        let sent = values(byteCount / 4)
        do throws(BackendError) {
          try sent.withUnsafeBytes { bytes in Result { () throws(BackendError) in try backend.upload(bytes, into: block.tensor) } }.get()
          Issue.record("no error")
        } catch {
          #expect(error.description.hasPrefix("cuMemcpyHtoDAsync (CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered)"))
        }
      }
    }
  }
}
