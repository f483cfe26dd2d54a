import Glibc
import Testing

/// Streams run as late as they may: who forgets to wait sees it.
@Suite struct StreamTests {
  @Test func nothingRunsBeforeSomebodyWaits() throws {
    let emulator = try Emulator()
    let stream = emulator.createStream()
    let x = try emulator.upload([Float](repeating: 1, count: 32))
    let host = UnsafeMutablePointer<Float>.allocate(capacity: 32)
    defer { host.deallocate() }
    host.initialize(repeating: 5, count: 32)
    let address = UInt64(UInt(bitPattern: host))
    #expect(emulator.call("cuMemcpyHtoDAsync_v2", x, address, 128, stream) == 0)
    // Changed before the copy ran: the copy takes what is there when it runs.
    host[3] = 7
    #expect(emulator.launch("store", stream: stream, [x, Int32(0), Float(9)]) == 0)
    #expect(emulator.synchronize(stream) == 0)
    #expect(emulator.call("cuMemcpyDtoHAsync_v2", address, x, 128, stream) == 0)
    host.update(repeating: -1, count: 32)
    #expect(host[0] == -1)
    #expect(emulator.synchronize(stream) == 0)
    #expect(host[0] == 9 && host[1] == 5 && host[3] == 7)
  }

  @Test func eventsAreReadyWhenAskedOftenEnough() throws {
    let emulator = try Emulator()
    let stream = emulator.createStream(), event = emulator.createEvent(), end = emulator.createEvent()
    let x = try emulator.upload([Float](repeating: 1, count: 32))
    #expect(emulator.call("cuEventQuery", event) == 0)
    #expect(emulator.call("cuEventRecord", event, stream) == 0)
    #expect(emulator.launch("store", stream: stream, [x, Int32(0), Float(9)]) == 0)
    #expect(emulator.call("cuEventRecord", end, stream) == 0)
    #expect(emulator.call("cuEventQuery", end) == 600)
    var milliseconds: Float = -1
    #expect(emulator.call("cuEventElapsedTime", out: &milliseconds, event, end) == 600)
    var polls = 1
    while emulator.call("cuEventQuery", end) == 600 { polls += 1 }
    #expect(polls < 10)
    #expect(emulator.call("cuEventElapsedTime", out: &milliseconds, event, end) == 0 && milliseconds >= 0)
    #expect(emulator.call("cuEventDestroy_v2", event) == 0 && emulator.call("cuEventQuery", event) == 400)
  }

  @Test func pinnedMemoryFreedTooEarly() throws {
    let emulator = try Emulator()
    let stream = emulator.createStream(), x = try emulator.allocate(128)
    var host: UInt64 = 0
    #expect(emulator.call("cuMemHostAlloc", out: &host, 128, 0) == 0)
    #expect(emulator.call("cuMemcpyHtoDAsync_v2", x, host, 128, stream) == 0)
    #expect(emulator.call("cuMemFreeHost", host) == 0)
    #expect(emulator.synchronize(stream) == 700)
  }

  @Test func copiesOutsideOfAllocations() throws {
    for (bytes, code) in [(124, 0), (125, 700)] as [(UInt64, Int32)] {
      let emulator = try Emulator()
      let x = try emulator.allocate(124)
      #expect(emulator.call("cuMemsetD8Async", x, 0, bytes, 0) == code)
    }
  }

  @Test func ordersOfThreadsAndBlocks() throws {
    let numbers: [Int32] = Array(0..<96)
    for (order, expected) in [("0", numbers), ("1", numbers.reversed())] {
      let emulator = try FaultTests.emulator(order)
      let counter = try emulator.upload([Int32(0)]), out = try emulator.allocate(96 * 4)
      #expect(emulator.launch("order", grid: (3, 1), [counter, out]) == 0)
      #expect(emulator.download(out, count: 96, of: Int32(0)) == expected)
    }
  }

  /// Several threads at once, each with a stream of its own.
  @Test func manyThreads() async throws {
    let emulator = try Emulator()
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<4 {
        group.addTask {
          guard emulator.setContext() == 0 else { return false }
          let stream = emulator.createStream()
          guard let out = try? emulator.allocate(1024) else { return false }
          for _ in 0..<20 where emulator.launch("right_barrier", grid: (task + 1, 1), threads: 256, stream: stream, [out]) != 0 {
            return false
          }
          return emulator.synchronize(stream) == 0
        }
      }
      for await right in group { #expect(right) }
    }
  }
}
