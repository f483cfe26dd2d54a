import Dispatch
import Synchronization
import TensorCore

/// "Does this device compute right?": the cases of the catalogue against the reference, and gradients against differences.
///
///     let results = SelfTest(backend, precision: .f32).run(progress: { … })
public struct SelfTest: Sendable {
  public struct Group: Sendable {
    /// The file the kernels lie in ("Matmul"), or "gradients".
    public let name: String
    public internal(set) var cases = 0
    /// Cases with a complaint.
    public internal(set) var failures = 0
    /// One sentence for each thing wrong.
    public internal(set) var complaints: [String] = []
    /// The largest error of a case that passed, as a normalised mean square, and which case that was.
    public internal(set) var worst = 0.0
    public internal(set) var worstCase = ""

    mutating func add(_ name: String, error: Double, _ found: [String]) {
      cases += 1
      failures += found.isEmpty ? 0 : 1
      complaints += found.map { "\(name): \($0)" }
      if found.isEmpty, error > worst { (worst, worstCase) = (error, name) }
    }
  }

  private let backend: any ComputeBackend
  private let cases: [OpCase]
  private let gradients: [GradientCheck]
  private let precision: Precision
  private let threads: Int

  /// What rounding the operands of products does to them.
  private static let roundings: [Precision: (limit: Double, reason: String)] = [
    .tf32: (3e-7, "operands rounded to 10 bits of mantissa"),
    .int16: (1e-8, "what meets quantised weights rounded to 2^-16 of the largest of 512; of normal values some 1e-9 is lost"),
  ]
  /// What runs in a moment under a tool that watches every access.
  private static let small = (flops: 200_000, bytes: 100_000)
  /// References computed at a time, beside the device's work.
  private static let ahead = 64

  /// - Parameters:
  ///   - precision: what `backend` was opened with.
  ///   - matching: only the cases whose description has all these words.
  ///   - small: only those that take little work.
  ///   - threads: for the reference, which is slow.
  public init(_ backend: any ComputeBackend, precision: Precision, matching filter: String = "", small: Bool = false, threads: Int) {
    self.backend = backend
    self.precision = precision
    self.threads = threads
    let all = backend.activations == .bf16 ? OpCatalogue.mixed : OpCatalogue.agreement
    cases = all.filter {
      OpBenchmark.matches("\($0.group) \($0)", filter) && (!small || $0.flops <= SelfTest.small.flops && $0.bytes <= SelfTest.small.bytes)
    }
    // Differences of numbers rounded to a few bits say nothing.
    gradients = precision == .f32 ? GradientCheck.all.filter { OpBenchmark.matches("gradients \($0.name)", filter) } : []
  }

  public var count: Int { cases.count + gradients.count }

  /// - Parameters:
  ///   - progress: called before each case.
  ///   - isWanted: asked before each case; after a no, the rest is left out.
  public func run(seed: UInt64 = 1, progress: (String) -> Void = { _ in }, while isWanted: () -> Bool = { true }) -> [Group] {
    var groups: [Group] = []
    func add(_ group: String, _ name: String, error: Double, _ complaints: [String]) {
      let index = groups.firstIndex { $0.name == group } ?? groups.count
      if index == groups.count { groups.append(Group(name: group)) }
      groups[index].add(name, error: error, complaints)
    }
    for start in stride(from: 0, to: cases.count, by: SelfTest.ahead) where isWanted() {
      let part = Array(cases[start..<min(start + SelfTest.ahead, cases.count)])
      let expected = references(part, seed: seed)
      for (item, expected) in zip(part, expected) where isWanted() {
        progress(item.description)
        do throws(BackendError) {
          // Aligned tensors take a device's vector paths and copy engines, the others its plain ones.
          let plain = OpComparison(try item.run(on: backend, seed: seed), with: expected, tolerance(of: item))
          let aligned = OpComparison(try item.run(on: backend, seed: seed, aligned: true), with: expected, tolerance(of: item))
          let complaints = plain.complaints + aligned.complaints.map { "aligned: \($0)" }
          add(item.group, item.description, error: max(plain.error, aligned.error), complaints.filter { !isNearTie($0, item) })
        } catch {
          // A device that failed once fails from then on.
          add(item.group, item.description, error: 0, ["\(error); the cases after it were not run"])
          return groups
        }
      }
    }
    for check in gradients where isWanted() {
      progress("gradients \(check.name)")
      do throws(BackendError) {
        let result = try check.run(on: backend, seed: seed)
        add("gradients", check.name, error: result.error * result.error, result.complaints)
      } catch {
        add("gradients", check.name, error: 0, ["\(error); the checks after it were not run"])
        return groups
      }
    }
    return groups
  }

  /// Between two logits that are nearly the same, rounded products may choose the other one.
  private func isNearTie(_ complaint: String, _ item: OpCase) -> Bool {
    precision == .tf32 && item.name.hasPrefix("linearDivergence") && complaint.contains("winners: 1 values not equal")
  }

  private func tolerance(of item: OpCase) -> Tolerance {
    let multiplies = item.group == "Matmul" || item.group == "Attention" || item.name.hasPrefix("linear")
    guard let rounding = SelfTest.roundings[precision], multiplies, item.tolerance.limit > 0, item.tolerance.limit < rounding.limit,
      precision != .int16 || !item.dtype.isDense
    else { return item.tolerance }
    return Tolerance(rounding.limit, rounding.reason, absolute: item.tolerance.absolute)
  }

  private func references(_ cases: [OpCase], seed: UInt64) -> [OpResult] {
    let results = Mutex<[Int: OpResult]>([:])
    let next = Atomic(0)
    let activations = backend.activations
    DispatchQueue.concurrentPerform(iterations: threads) { _ in
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < cases.count else { return }
        do throws(BackendError) {
          let result = try cases[index].run(on: ReferenceBackend(activations: activations), seed: seed)
          results.withLock { $0[index] = result }
        } catch {
          fatalError("self-test: no memory for the reference of \(cases[index]): \(error)")
        }
      }
    }
    return results.withLock { results in cases.indices.map { results[$0]! } }
  }
}
