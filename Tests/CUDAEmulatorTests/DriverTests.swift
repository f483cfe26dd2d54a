import Glibc
import Testing

/// Bad weather at will, and the driver's own refusals.
@Suite struct DriverTests {
  @Test func memoryRunsOut() throws {
    let emulator = try Emulator(["HOOF_EMULATOR_MEMORY": "1048576"])
    let stream = emulator.createStream()
    var first: UInt64 = 0, second: UInt64 = 0
    #expect(emulator.call("cuMemAllocAsync", out: &first, 600_000, stream) == 0)
    #expect(emulator.call("cuMemAllocAsync", out: &second, 600_000, stream) == 2)
    var sizes: [UInt64] = [0, 0]
    let code = sizes.withUnsafeMutableBufferPointer {
      let free = UInt64(UInt(bitPattern: $0.baseAddress))
      return emulator.call("cuMemGetInfo_v2", free, free + 8)
    }
    #expect(code == 0 && sizes == [448_576, 1_048_576])
    // What is about to be freed is waited for.
    #expect(emulator.call("cuMemFreeAsync", first, stream) == 0)
    #expect(emulator.call("cuMemAllocAsync", out: &second, 600_000, stream) == 0)
    #expect(emulator.synchronize(stream) == 0)
    #expect(emulator.call("cuMemFreeAsync", first, stream) == 1)
  }

  @Test func callsThatFailOnRequest() throws {
    let lost = try Emulator(["HOOF_EMULATOR_FAIL": "cuStreamSynchronize:2:719"])
    #expect(lost.synchronize() == 0)
    #expect(lost.synchronize() == 719)
    #expect(lost.synchronize() == 719)
    var address: UInt64 = 0
    #expect(lost.call("cuMemAlloc_v2", out: &address, 16) == 719)
    // Out of memory leaves the context as it was.
    let short = try Emulator(["HOOF_EMULATOR_FAIL": "cuMemAlloc_v2:1:2"])
    #expect(short.call("cuMemAlloc_v2", out: &address, 16) == 2)
    #expect(short.call("cuMemAlloc_v2", out: &address, 16) == 0)
  }

  @Test func devices() throws {
    func count(_ settings: [String: String]) throws -> (Int32, Int32) {
      let emulator = try Emulator(settings, start: false)
      var count: Int32 = -1
      #expect(emulator.call("cuDeviceGetCount", out: &count) == 3)
      let code = emulator.initialize()
      if code == 0 { #expect(emulator.call("cuDeviceGetCount", out: &count) == 0) }
      return (code, count)
    }
    let cases: [([String: String], Int32, Int32)] = [
      ([:], 0, 1), (["HOOF_EMULATOR_DEVICES": "0"], 100, -1), (["HOOF_EMULATOR_DEVICES": "4"], 0, 4),
      (["HOOF_EMULATOR_DEVICES": "4", "CUDA_VISIBLE_DEVICES": "2,0"], 0, 2),
      (["HOOF_EMULATOR_DEVICES": "2", "CUDA_VISIBLE_DEVICES": "-1"], 100, -1),
    ]
    for (settings, code, devices) in cases {
      let found = try count(settings)
      #expect(found == (code, devices), "\(settings)")
    }
  }

  @Test func capabilityAndVersion() throws {
    let emulator = try Emulator(["HOOF_EMULATOR_CAPABILITY": "80", "HOOF_EMULATOR_DRIVER": "12020"])
    var value: Int32 = 0
    #expect(emulator.call("cuDriverGetVersion", out: &value) == 0 && value == 12020)
    #expect(emulator.call("cuDeviceGetAttribute", out: &value, 75) == 0 && value == 8)
    #expect(emulator.call("cuDeviceGetAttribute", out: &value, 97) == 0 && value == 163 << 10)
    #expect(emulator.loadModule(Emulator.image(target: "sm_90a")) == 218)
    #expect(emulator.loadModule(Emulator.image(version: "8.3")) == 222)
    #expect(emulator.loadModule(Emulator.image(version: "8.2")) == 0)
    #expect(emulator.loadModule("no PTX") == 218)
  }

  @Test func imagesDecideWhatThereIs() throws {
    let emulator = try Emulator()
    #expect(emulator.loadModule(Emulator.image(entries: ["emulator_right_barrier"], bound: ".maxntid 64, 1, 1")) == 0)
    let out = try emulator.allocate(1024)
    #expect(emulator.launch("right_barrier", threads: 64, [out]) == 0)
    #expect(emulator.launch("right_barrier", threads: 96, [out]) == 1)
    #expect(emulator.function("emulator_same_word") == nil)
  }

  @Test func errorsHaveNames() throws {
    let emulator = try Emulator()
    var text: UnsafePointer<CChar>?
    func name(_ code: UInt64) -> Int32 {
      withUnsafeMutablePointer(to: &text) { emulator.call("cuGetErrorName", code, UInt64(UInt(bitPattern: $0))) }
    }
    #expect(name(700) == 0 && text.map { String(cString: $0) } == "CUDA_ERROR_ILLEGAL_ADDRESS")
    #expect(name(12345) == 1 && text == nil)
  }

  @Test func packedParameters() throws {
    let emulator = try Emulator()
    struct Map: BitwiseCopyable { var words = InlineArray<16, UInt64>(repeating: 77) }
    let out = try emulator.allocate(20)
    #expect(emulator.launch("parameters", [out, Int32(-3), Float(0.5), UInt64(1) << 40, Map(), UInt32(9)]) == 0)
    #expect(emulator.download(out, count: 5, of: Float(0)) == [-3, 0.5, 1_099_511_627_776, 77, 9])
  }
}
