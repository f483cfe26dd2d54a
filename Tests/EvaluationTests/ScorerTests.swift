import BackendCPU
import Formats
import TensorCore
import TestSupport
import Testing
import Transformer

@testable import Evaluation

/// The example model on devices with little memory.
struct ScorerTests {
  private static let text: [Int32] = (0..<2000).map { Int32(($0 * $0 + 7 * $0) % 500) }

  private func measure(
    on device: RecordingDevice, text: [Int32] = text, rows: Int = 512, limit: Int = .max, note: (String) -> Void = { _ in }
  ) throws -> Perplexity {
    let model = try Llama(try ModelSource.open(path: SharedData.packageRoot + "/examples/talespin-tiny"), on: device)
    // The weights are there: from now on no allocation may be larger.
    (device.limit, device.largest) = (limit, 0)
    return try Perplexity(model, text: text, .init(.windows, window: 64, bos: 1), rowsPerBatch: rows) {
      if case .note(let text) = $0 { note(text) }
    }
  }

  @Test("what one batch holds does not grow with the text")
  func bounded() throws {
    let (short, long) = (RecordingDevice(), RecordingDevice())
    _ = try measure(on: short, text: Array(Self.text.prefix(600)))
    _ = try measure(on: long)
    #expect(short.largest == long.largest && short.largest > 0)
  }

  @Test("batches of any size give the same perplexity")
  func batches() throws {
    let expected = try measure(on: RecordingDevice())
    for rows in [1, 64, 200, 5000] {
      let own = try measure(on: RecordingDevice(), rows: rows)
      // Other numbers of rows may take other kernels: float32's rounding.
      #expect(own.scoredTokens == expected.scoredTokens && abs(own.loss - expected.loss) < 1e-5 * expected.loss)
    }
  }

  @Test("a batch that finds no memory is halved, with a note and the same perplexity")
  func halved() throws {
    let free = RecordingDevice()
    let expected = try measure(on: free)
    var notes: [String] = []
    let own = try measure(on: RecordingDevice(), limit: free.largest / 3) { notes.append($0) }
    #expect(!notes.isEmpty && notes.allSatisfy { $0.hasPrefix("out of memory: going on with batches of ") }, "\(notes)")
    #expect(own.windows == expected.windows && abs(own.loss - expected.loss) < 1e-5 * expected.loss)
  }

  @Test("a window that does not fit even alone is one error that says what would")
  func tooSmall() throws {
    do {
      _ = try measure(on: RecordingDevice(), limit: 10 << 10)
      Issue.record("it ran")
    } catch let error as EvaluationError {
      guard case .doesNotFit(let rows, _, _) = error else { throw error }
      #expect(rows == 64 && error.description.contains("--window") && error.description.contains("--q8"))
    }
  }
}

/// Notes the largest allocation, and refuses those above a limit.
private final class RecordingDevice: BackendDecorator, @unchecked Sendable {
  let base: any ComputeBackend = CPUBackend()
  var limit = Int.max
  var largest = 0

  func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress {
    guard byteCount <= limit else { throw .outOfMemory(requested: byteCount, free: limit) }
    largest = max(largest, byteCount)
    return try base.allocate(byteCount: byteCount)
  }
}
