import CKernels
import Dispatch
import Glibc
import Synchronization

/// Reads and copies of plain host memory by all processors, on huge pages where the system gives them, as tensors lie.
final class HostMemoryPass: Sendable {
  private let address: UInt
  private let byteCount: Int
  private let workers = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  private static let hugePage = 2 << 20

  /// nil when the system has no such memory left.
  init?(byteCount: Int) {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, HostMemoryPass.hugePage, byteCount) == 0, let memory else { return nil }
    madvise(memory, byteCount, MADV_HUGEPAGE)
    memset(memory, 1, byteCount)
    address = UInt(bitPattern: memory)
    self.byteCount = byteCount
  }

  deinit { free(UnsafeMutableRawPointer(bitPattern: address)) }

  /// Bytes a second that are read.
  func readRate(_ seconds: Double) -> Double {
    let part = byteCount / workers / 1024 * 1024
    let simd = hoof_simd_level()
    let sum = Atomic<UInt32>(0)
    return rate(part * workers, seconds) { worker in
      sum.bitwiseXor(hoof_read_pass(simd, UnsafeRawPointer(bitPattern: self.address + UInt(worker * part)), part), ordering: .relaxed)
    }
  }

  /// Bytes a second that are read and written, counted together.
  func copyRate(_ seconds: Double) -> Double {
    let part = byteCount / 2 / workers / 64 * 64
    return rate(2 * part * workers, seconds) { worker in
      let source = UnsafeMutableRawPointer(bitPattern: self.address + UInt(worker * part))!
      memcpy(source + self.byteCount / 2, source, part)
    }
  }

  private func rate(_ bytes: Int, _ seconds: Double, _ pass: (Int) -> Void) -> Double {
    var best = Double.infinity
    let start = ContinuousClock.now
    withoutActuallyEscaping(pass) { pass in
      // The workers only share the address and what is atomic.
      nonisolated(unsafe) let pass = pass
      repeat {
        let begin = ContinuousClock.now
        DispatchQueue.concurrentPerform(iterations: workers) { pass($0) }
        let elapsed = (ContinuousClock.now - begin).components
        best = min(best, Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18)
      } while ContinuousClock.now - start < .seconds(seconds)
    }
    return Double(bytes) / best
  }
}
