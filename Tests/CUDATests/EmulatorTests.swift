import CKernels
import TensorCore
import TestSupport
import Testing

@testable import BackendCUDA

/// The driver layer in front of the emulator, which is strict where the fake is not: memory in stream order, bounds, contexts, PTX images.
@Suite(
  .enabled(if: EmulatorLibrary.isHere, "\(EmulatorLibrary.absent)"),
  .enabled(if: hoof_cuda_image("elementwise") != nil, "this build has no kernel images: scripts/kernels.sh compiles them"))
struct EmulatorTests {
  private func open(_ settings: [String: String] = [:], _ options: BackendRegistry.Options = .init()) throws -> CUDABackend {
    let library = try EmulatorLibrary(settings)
    // Its file must be there until it is opened.
    return try withExtendedLifetime(library) { try CUDABackend(options, driver: library.path) }
  }

  private func refusal(_ settings: [String: String], _ options: BackendRegistry.Options = .init()) throws -> String {
    let library = try EmulatorLibrary(settings)
    do throws(BackendError) {
      return "opened \(try CUDABackend(options, driver: library.path).name)"
    } catch { return error.description }
  }

  @Test("opens, and says what it is")
  func opens() throws {
    let backend = try open(["HOOF_EMULATOR_MEMORY": "64M"], .init(precision: .tf32))
    #expect(backend.name == "cuda:0 (hoof CUDA emulator, sm_90, tf32)")
    #expect(backend.details.map(\.name) == ["compute capability", "multiprocessors", "driver", "kernel images", "precision", "cuBLAS"])
    #expect(backend.memory().free <= backend.memory().total)
  }

  @Test("refusals name what is wrong and what is needed")
  func refusals() throws {
    #expect(try refusal(["HOOF_EMULATOR_DEVICES": "0"]) == "the NVIDIA driver sees no GPU")
    #expect(try refusal(["HOOF_EMULATOR_DRIVER": "12000"]).hasPrefix("driver 525 (CUDA 12.0) is too old"))
    #expect(try refusal(["HOOF_EMULATOR_CAPABILITY": "75"]).contains("compute capability 7.5; the kernels need 8.0"))
    #expect(try refusal(["HOOF_EMULATOR_DEVICES": "2"], .init(device: 2)).hasPrefix("there is no GPU 2: the driver sees 2"))
    let hidden = ["HOOF_EMULATOR_DEVICES": "2", "CUDA_VISIBLE_DEVICES": "1"]
    #expect(try refusal(hidden, .init(device: 1)).hasPrefix("there is no GPU 1: the driver sees 1"))
    #expect(try refusal(["HOOF_EMULATOR_FAIL": "cuStreamCreate:1:999"]).hasPrefix("cuStreamCreate ("))
    #expect(try refusal(["HOOF_EMULATOR_DRIVER": "12020", "HOOF_EMULATOR_CAPABILITY": "80"]).hasPrefix("opened cuda:0"))
  }

  @Test("what goes up comes down, in the order of the stream", arguments: [4, 60_000, 3 << 20, 21 << 20])
  func transfers(byteCount: Int) throws {
    let backend = try open()
    let block = try DeviceBlock(byteCount, on: backend)
    var received = [Int32](repeating: 0, count: byteCount / 4)
    for round in 0..<3 {
      let sent = (0..<byteCount / 4).map { Int32(truncatingIfNeeded: $0 * (round + 3)) }
      try sent.withUnsafeBytes { try backend.upload($0, into: block.tensor) }
      try received.withUnsafeMutableBytes { try backend.download(block.tensor, into: $0) }
      let isSame = sent == received
      #expect(isSame)
    }
  }

  @Test("out of memory tells needed and free, and what fits still fits")
  func outOfMemory() throws {
    let backend = try open(["HOOF_EMULATOR_MEMORY": "\(32 << 20)"])
    let block = try DeviceBlock(16 << 20, on: backend)
    do throws(BackendError) {
      _ = try backend.allocate(byteCount: 24 << 20)
      Issue.record("allocated")
    } catch {
      guard case .outOfMemory(24 << 20, let free) = error else { throw error }
      #expect(free > 8 << 20 && free <= 16 << 20)
    }
    _ = try DeviceBlock(8 << 20, on: backend)
    #expect(block.byteCount == 16 << 20)
  }

  @Test("a kernel computes, between an upload and a download")
  func kernel() throws {
    let backend = try open()
    let count = 1000
    let x = try DeviceBlock(count * 4, on: backend), y = try DeviceBlock(count * 4, on: backend)
    for (block, scale) in [(x, Float(1)), (y, 100)] {
      try (0..<count).map { Float($0) * scale }.withUnsafeBytes { try backend.upload($0, into: block.tensor) }
    }
    backend.launch(
      .elementwise, "hoof_add_scaled_f32_f32", grid: Grid(x: 1), threads: 256, x.tensor.pointer, Float(2), y.tensor.pointer, Int64(count))
    var values = [Float](repeating: 0, count: count)
    try values.withUnsafeMutableBytes { try backend.download(y.tensor, into: $0) }
    #expect(values == (0..<count).map { Float($0) * 102 })
  }

  @Test("scratch lives as long as its launches, and cleared memory is zero")
  func scratch() throws {
    let backend = try open()
    let block = try DeviceBlock(4096, on: backend)
    try [UInt8](repeating: 7, count: 4096).withUnsafeBytes { try backend.upload($0, into: block.tensor) }
    backend.withScratch(byteCount: 4096) { address in
      backend.clear(address, byteCount: 4096)
      backend.move(from: address, to: block.tensor.pointer, byteCount: 4096)
    }
    var bytes = [UInt8](repeating: 1, count: 4096)
    try bytes.withUnsafeMutableBytes { try backend.download(block.tensor, into: $0) }
    #expect(bytes.allSatisfy { $0 == 0 })
  }

  @Test("a kernel that is not in its image")
  func unknownKernel() throws {
    let backend = try open()
    backend.launch(.elementwise, "hoof_nothing", grid: Grid(x: 1), threads: 32, UInt64(0))
    do throws(BackendError) {
      try backend.synchronize()
      Issue.record("no error")
    } catch { #expect(error.description.hasPrefix("cuModuleGetFunction hoof_nothing of elementwise (CUDA_ERROR_NOT_FOUND")) }
  }

  @Test("a kernel that reads outside its memory is told by the next download, and by every one after")
  func fault() throws {
    let backend = try open()
    let x = try DeviceBlock(64, on: backend)
    backend.launch(
      .elementwise, "hoof_add_scaled_f32_f32", grid: Grid(x: 1), threads: 256, x.tensor.pointer, Float(2), x.tensor.pointer, Int64(1 << 20))
    for _ in 0..<2 {
      do throws(BackendError) {
        try backend.synchronize()
        Issue.record("no error")
      } catch { #expect(error.description.contains("CUDA_ERROR_ILLEGAL_ADDRESS") && error.description.hasSuffix("failed with code 700")) }
    }
  }

  @Test("an injected loss of the device in the middle of uploads", arguments: ["cuMemcpyHtoDAsync_v2", "cuEventRecord", "cuMemHostAlloc"])
  func lost(call: String) throws {
    let backend = try open(["HOOF_EMULATOR_FAIL": "\(call):3:719"])
    let block = try DeviceBlock(24 << 20, on: backend)
    let bytes = [UInt8](repeating: 1, count: 24 << 20)
    do throws(BackendError) {
      try bytes.withUnsafeBytes { bytes in Result { () throws(BackendError) in try backend.upload(bytes, into: block.tensor) } }.get()
      Issue.record("no error")
    } catch { #expect(error.description.hasSuffix("failed with code 719")) }
  }
}
