import Glibc
import Testing

/// What is wrong with a kernel is found, in either order of threads, and stays the device's error; what is right is left alone.
@Suite struct FaultTests {
  static let orders = ["0", "1"]
  static func emulator(_ order: String) throws -> Emulator { try Emulator(["HOOF_EMULATOR_REVERSE": order]) }

  /// Kernels of one block that get an output of 256 floats, and the code they end with.
  @Test(arguments: orders)
  func kernelsThatAreWrong(order: String) throws {
    let wrong: [(String, Int, Int32)] = [
      ("missing_barrier", 256, 719), ("missing_second_barrier", 128, 719), ("same_word", 64, 719), ("missing_warp_barrier", 32, 719),
      ("divergent_shuffle", 32, 719), ("divergent_kinds", 32, 719), ("divergent_barriers", 64, 719), ("arrival_deadlock", 64, 719),
    ]
    for (name, threads, code) in wrong {
      let emulator = try Self.emulator(order)
      let out = try emulator.upload([Float](repeating: 0, count: 256))
      #expect(emulator.launch(name, threads: threads, [out]) == code, "\(name)")
      // Every later call that needs the context returns the same.
      var address: UInt64 = 0
      #expect(emulator.synchronize() == code)
      #expect(emulator.call("cuMemAlloc_v2", out: &address, 16) == code)
    }
  }

  @Test(arguments: orders)
  func kernelsThatAreRight(order: String) throws {
    let emulator = try Self.emulator(order)
    let out = try emulator.upload([Float](repeating: 0, count: 2048))
    func matches(_ count: Int, _ expected: (Int) -> Int) -> Bool {
      let values = emulator.download(out, count: count, of: Float(0))
      return values.indices.allSatisfy { values[$0] == Float(expected($0)) }
    }
    #expect(emulator.launch("right_barrier", threads: 256, [out]) == 0)
    #expect(matches(256) { ($0 + 1) % 256 })
    #expect(emulator.launch("right_warp_barrier", [out]) == 0)
    #expect(matches(32) { $0 ^ 1 })
    #expect(emulator.launch("right_halves", [out]) == 0)
    #expect(matches(32) { $0 < 16 ? ($0 ^ 1) + 5 : 4 + 5 })
    #expect(emulator.launch("right_pipeline", threads: 64, [out, Int32(20)]) == 0)
    #expect(matches(640) { $0 / 32 * 32 + 31 - $0 % 32 })
    let x = try emulator.upload((0..<96).map(Float.init))
    #expect(emulator.launch("right_copy", [x, out]) == 0)
    #expect(matches(128) { $0 < 96 ? $0 : 0 })
  }

  @Test(arguments: orders)
  func bufferGivenBackTooEarly(order: String) throws {
    let emulator = try Self.emulator(order)
    let out = try emulator.allocate(4 * 32 * 20)
    #expect(emulator.launch("early_release", threads: 64, [out, Int32(20)]) == 719)
  }

  @Test func oneElementOutside() throws {
    for (name, index, code) in [("store", 30, 0), ("store", 31, 700), ("store", -1, 700), ("load", 30, 0), ("load", 31, 700)]
      as [(String, Int32, Int32)]
    {
      let emulator = try Emulator()
      let x = try emulator.upload([Float](repeating: 1, count: 31)), out = try emulator.allocate(4)
      let result = name == "store" ? emulator.launch(name, [x, index, Float(2)]) : emulator.launch(name, [x, index, out])
      #expect(result == code, "\(name) at \(index)")
    }
    // A whole number of granules: the next byte is a gap too.
    let emulator = try Emulator()
    let x = try emulator.allocate(1024)
    #expect(emulator.launch("store", [x, Int32(256), Float(2)]) == 700)
    let other = try Emulator()
    #expect(other.launch("store", [UInt64(0), Int32(0), Float(2)]) == 700)
  }

  @Test func outsideOfSharedMemory() throws {
    for (index, code) in [(29, 0), (30, 700), (-1, 700)] as [(Int32, Int32)] {
      let emulator = try Emulator()
      let out = try emulator.allocate(128)
      #expect(emulator.launch("shared_index", [out, index]) == code)
    }
    let emulator = try Emulator()
    let out = try emulator.allocate(128)
    #expect(emulator.launch("dynamic_shared", shared: 400, [out, Int32(100)]) == 0)
    #expect(emulator.launch("dynamic_shared", shared: 400, [out, Int32(101)]) == 700)
  }

  @Test func misalignedVector() throws {
    let emulator = try Emulator()
    let x = try emulator.upload([Float](repeating: 1, count: 32)), out = try emulator.allocate(4)
    #expect(emulator.launch("load_vector", threads: 1, [x, Int32(4), out]) == 0)
    #expect(emulator.download(out, count: 1, of: Float(0)) == [4])
    #expect(emulator.launch("load_vector", threads: 1, [x, Int32(2), out]) == 716)
  }

  @Test func vectorAcrossTheEnd() throws {
    let emulator = try Emulator()
    let x = try emulator.upload([Float](repeating: 1, count: 31)), out = try emulator.allocate(4)
    #expect(emulator.launch("load_vector", threads: 1, [x, Int32(28), out]) == 700)
  }

  @Test func useAfterFree() throws {
    let emulator = try Emulator()
    let stream = emulator.createStream()
    var x: UInt64 = 0
    #expect(emulator.call("cuMemAllocAsync", out: &x, 64, stream) == 0)
    #expect(emulator.launch("store", stream: stream, [x, Int32(3), Float(2)]) == 0)
    #expect(emulator.call("cuMemFreeAsync", x, stream) == 0)
    #expect(emulator.synchronize(stream) == 0)
    #expect(emulator.launch("store", stream: stream, [x, Int32(3), Float(2)]) == 0)
    #expect(emulator.synchronize(stream) == 700)
  }

  /// What one stream allocates another may not touch before it waits for it.
  @Test func allocationOfAnotherStream() throws {
    for waits in [true, false] {
      let emulator = try Emulator()
      let first = emulator.createStream(), second = emulator.createStream(), event = emulator.createEvent()
      var x: UInt64 = 0
      #expect(emulator.call("cuMemAllocAsync", out: &x, 64, first) == 0)
      #expect(emulator.call("cuEventRecord", event, first) == 0)
      if waits { #expect(emulator.call("cuStreamWaitEvent", second, event, 0) == 0) }
      #expect(emulator.launch("store", stream: second, [x, Int32(3), Float(2)]) == 0)
      #expect(emulator.synchronize(second) == (waits ? 0 : 700))
    }
  }

  /// Nobody waited for what comes in the background: poison.
  @Test func missingWaits() throws {
    let emulator = try Emulator()
    let x = try emulator.upload([Float](repeating: 1, count: 128)), out = try emulator.allocate(512)
    #expect(emulator.launch("copy_without_wait", [x, out]) == 0)
    #expect(emulator.download(out, count: 128, of: Float(0)).allSatisfy { $0.isNaN })
  }

  @Test func oversizedSharedMemory() throws {
    let emulator = try Emulator()
    let out = try emulator.allocate(128)
    let function = try #require(emulator.function("emulator_dynamic_shared"))
    #expect(emulator.launch("dynamic_shared", shared: 48 << 10, [out, Int32(64)]) == 0)
    #expect(emulator.launch("dynamic_shared", shared: (48 << 10) + 1, [out, Int32(64)]) == 1)
    #expect(emulator.call("cuFuncSetAttribute", function, 8, 227 << 10) == 0)
    #expect(emulator.launch("dynamic_shared", shared: 227 << 10, [out, Int32(227 << 8)]) == 0)
    let values = emulator.download(out, count: 32, of: Float(0))
    #expect(values.indices.allSatisfy { values[$0] == Float((227 << 8) - 1 - $0) })
    #expect(emulator.call("cuFuncSetAttribute", function, 8, (227 << 10) + 1) == 1)
    #expect(emulator.launch("dynamic_shared", shared: (227 << 10) + 1, [out, Int32(64)]) == 1)
  }

  @Test func launchesThatNoDeviceTakes() throws {
    let emulator = try Emulator()
    let out = try emulator.allocate(128)
    #expect(emulator.launch("right_barrier", grid: (0, 1), [out]) == 1)
    #expect(emulator.launch("right_barrier", grid: (1, 65536), [out]) == 1)
    #expect(emulator.launch("right_barrier", threads: 1025, [out]) == 1)
    #expect(emulator.launch("right_barrier", [out, out]) == 1)
    #expect(emulator.launch("right_barrier", [Int32(0)]) == 1)
    #expect(emulator.launch("nothing", [out]) == 500)
    #expect(emulator.synchronize() == 0)
  }
}
