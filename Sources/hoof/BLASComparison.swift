import BackendCPU
import COpenBLAS
import Glibc
import JSON
import TensorCore
import TensorTesting
import Terminal

/// Our f32 matrix product beside plain cblas_sgemm with OpenBLAS's own threads, on the same memory, in turns.
struct BLASComparison: CustomStringConvertible {
  /// out [rows, columns] = a [rows, depth] · b [columns, depth]ᵀ, as a linear layer has it.
  let rows: Int, columns: Int, depth: Int
  let backend: CPUBackend
  /// Time for both sides together, pauses not counted.
  let seconds: Double

  struct Result {
    let comparison: BLASComparison
    /// Times of single calls, sorted.
    let ours: [Double], plain: [Double]

    /// Plain time over ours: above 1 we are faster.
    var ratio: Double { Result.median(plain) / Result.median(ours) }
    static func median(_ sorted: [Double]) -> Double { sorted[sorted.count / 2] }
  }

  /// Products of an ablation batch (1654 tokens; 9924: six variants of it), one prompt, and a square one.
  static func all(on backend: CPUBackend, seconds: Double) -> [BLASComparison] {
    [(64, 384, 384), (1654, 384, 384), (1654, 1024, 384), (1654, 4096, 384), (9924, 1024, 384), (2048, 2048, 2048)].map {
      BLASComparison(rows: $0.0, columns: $0.1, depth: $0.2, backend: backend, seconds: seconds)
    }
  }

  var description: String { "blas matmul right f32 \(shapes)" }
  var shapes: String { "\(Shape(rows, depth))·\(Shape(columns, depth))ᵀ" }

  /// OpenBLAS's threads stay awake for some 20 ms after a product and would disturb what follows.
  private static let restMicroseconds: UInt32 = 40_000
  private static let secondsPerTurn = 0.1
  /// Part of a turn that is not counted: the other side's data leave the caches, and the system spreads the threads over the cores.
  private static let warmUp = 0.05
  private static let fewestTurns = 5

  func run() throws(BackendError) -> Result {
    let arguments = OpArguments(on: backend, seed: 1, fenced: false)
    let a = try arguments.input("a", rows, depth)
    let b = try arguments.input("b", columns, depth)
    let out = try arguments.output("out", rows, columns)
    var (ours, plain): ([Double], [Double]) = ([], [])
    var (spent, turns) = (0.0, 0)
    while turns < BLASComparison.fewestTurns || spent < seconds {
      spent += BLASComparison.turn(&ours) { backend.matmul(a, b, transpose: .right, beta: 0, into: out) }
      openblas_set_num_threads(Int32(backend.threads))
      spent += BLASComparison.turn(&plain) {
        cblas_sgemm(
          CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows), Int32(columns), Int32(depth), 1, BLASComparison.floats(a), Int32(depth),
          BLASComparison.floats(b), Int32(depth), 0, BLASComparison.floats(out), Int32(columns))
      }
      openblas_set_num_threads(1)
      usleep(BLASComparison.restMicroseconds)
      turns += 1
    }
    return Result(comparison: self, ours: ours.sorted(), plain: plain.sorted())
  }

  /// Calls until the turn is over and keeps the time of each but those of the warm-up. Seconds counted.
  private static func turn(_ samples: inout [Double], _ call: () -> Void) -> Double {
    let start = now
    repeat { call() } while now - start < warmUp
    let counted = now
    var last = counted
    repeat {
      call()
      let time = now
      samples.append(time - last)
      last = time
    } while last - counted < secondsPerTurn
    return last - counted
  }

  /// A CPU tensor's address is a pointer.
  private static func floats(_ tensor: Tensor) -> UnsafeMutablePointer<Float> {
    UnsafeMutablePointer(bitPattern: tensor.storage.address.bits + UInt(tensor.byteOffset))!
  }

  private static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

extension BLASComparison {
  static func table(_ results: [Result]) -> String {
    guard let backend = results.first?.comparison.backend else { return "" }
    let threads = "\(backend.threads) thread\(backend.threads == 1 ? "" : "s")"
    let rows = results.map { result in
      let flops = 2 * Double(result.comparison.rows * result.comparison.columns * result.comparison.depth)
      return [
        result.comparison.shapes, "\(microseconds(result.ours)) µs", "\(microseconds(result.plain)) µs",
        "\(Int((flops / Result.median(result.ours) * 1e-9).rounded()))", "\(Int((100 * result.ratio).rounded())) %",
      ]
    }
    let header = ["matmul f32", "ours, median", "OpenBLAS", "GFLOP/s", "of OpenBLAS"]
    return "Beside plain cblas_sgemm of OpenBLAS (\(backend.blasKernel) kernels, \(threads)), calls in turns\n\n"
      + MarkdownTable.text(header, rows)
  }

  private static func microseconds(_ samples: [Double]) -> Int { Int((1e6 * Result.median(samples)).rounded()) }
}

extension BLASComparison.Result {
  var json: JSON {
    func nanoseconds(_ seconds: Double) -> JSON { .int(Int((seconds * 1e9).rounded())) }
    func side(_ samples: [Double]) -> JSON {
      [
        "median_ns": nanoseconds(BLASComparison.Result.median(samples)), "best_ns": nanoseconds(samples[0]),
        "repetitions": .int(samples.count),
      ]
    }
    return [
      "shape": .string(comparison.shapes), "threads": .int(comparison.backend.threads), "kernel": .string(comparison.backend.blasKernel),
      "ours": side(ours), "plain": side(plain), "ratio": .double(ratio),
    ]
  }
}
