import BackendCPU
import Evaluation
import Formats
@testable import Surgery
import TensorCore
import TestSupport
import Testing

/// A device with little memory, or one that is lost, in the middle of a study.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct MemoryTests {
  static func study(on backend: any ComputeBackend, options: StudyOptions? = nil, budget: Int = 1 << 30) throws -> AblationStudy {
    let whole = try AblationReferenceTests.study("stories260K", on: backend)
    let prompts = Array(whole.prompts[0..<8])
    var plan = StudyPlan(lengths: prompts.map(\.count), config: whole.model.config, budget: budget)
    // Several changed models side by side, so that there is something to give up.
    plan.rowsPerBatch = 8 * prompts.reduce(0) { $0 + $1.count }
    return AblationStudy(whole.model, prompts: prompts, options: options ?? whole.options, plan: plan)
  }

  @Test("a batch too large for the device's memory is cut, with the same numbers and a note", arguments: [600, 300])
  func shrinking(kilobytes: Int) throws {
    var options = StudyOptions()
    (options.heads, options.sublayers, options.neurons, options.proxies, options.suggestDrop) = (.all, true, true, true, 2)
    let expected = try Self.study(on: CPUBackend(), options: options).run()
    let device = SmallDevice(CPUBackend())
    let study = try Self.study(on: device, options: options)
    // Weights are there; from now on no single allocation may be larger. One model's neurons take 287 KB, a chunk of logits 64 KB and more.
    device.limit = kilobytes << 10
    var notes: [String] = []
    let result = try study.run { if let note = $0.note { notes.append(note) } }
    #expect(!notes.isEmpty && notes.allSatisfy { $0.hasPrefix("out of memory: going on with batches of ") }, "\(notes)")
    #expect(result.outcomes == expected.outcomes && result.baseline == expected.baseline && result.drop == expected.drop)
    #expect(result.neurons == expected.neurons && result.activity == expected.activity)
  }

  @Test("a device that wants many rows gets them, as far as its memory allows", arguments: [(8 << 30, 32_768), (96 << 20, 0)])
  func deviceRows(budget: Int, expected: Int) throws {
    let device = SmallDevice(CPUBackend())
    device.usefulRows = 32_768
    let config = try ReferenceModels.open("talespin-15m", on: CPUBackend()).config
    let lengths = [Int](repeating: 64, count: 32)
    let plan = StudyPlan(lengths: lengths, config: config, components: 64, budget: budget, on: device)
    #expect(expected > 0 ? plan.rowsPerBatch == expected && plan.groups.count == 1 : plan.rowsPerBatch < 32_768)
    #expect(plan.rowsPerBatch * config.workspacePerRow() <= budget)
  }

  @Test("what does not fit even alone is one error that says what would")
  func tooSmall() throws {
    let device = SmallDevice(CPUBackend())
    let study = try Self.study(on: device)
    device.limit = 20 << 10
    do {
      _ = try study.run()
      Issue.record("the study ran")
    } catch let error as StudyError {
      guard case .doesNotFit(let prompts, let rows, _, _) = error else { return }
      #expect(prompts == 8 && rows == study.prompts.reduce(0) { $0 + $1.count })
      #expect(error.description.contains("--memory") && error.description.contains("--q8"))
    }
  }

  @Test("scratch of the rounding backend that finds no memory cuts the batch as well")
  func rounding() throws {
    let expected = try Self.study(on: MixedPrecisionBackend(CPUBackend())).run()
    let device = SmallDevice(CPUBackend())
    let study = try Self.study(on: MixedPrecisionBackend(device))
    device.limit = 300 << 10
    var notes = 0
    let result = try study.run { if $0.note != nil { notes += 1 } }
    #expect(notes > 0 && result.outcomes.count == expected.outcomes.count)
    // Chunks of a few rows take another way through the CPU's products with bf16 weights.
    for (component, outcome) in result.outcomes {
      #expect(relativeError(outcome.meanDivergence, expected.outcomes[component]?.meanDivergence, floor: 1e-3) < 1e-4, "\(component)")
    }
  }

  @Test("a device lost in the middle leaves a journal from which another process goes on", arguments: [12, 27])
  func lost(after downloads: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("journal")
    var options = StudyOptions()
    (options.heads, options.sublayers) = (.all, true)
    let expected = try Self.study(on: CPUBackend(), options: options).run()
    let device = SmallDevice(CPUBackend())
    let study = try Self.study(on: device, options: options)
    device.downloadsLeft = downloads
    #expect(throws: BackendError.device(code: 700, call: "cuMemcpyDtoHAsync")) {
      let journal = try StudyJournal(path: path, identity: "one", plan: study.plan, resuming: false)
      _ = try study.run(journal: journal)
    }
    let journal = try StudyJournal(path: path, identity: "one", plan: study.plan, resuming: true)
    #expect(journal.count > 0 && journal.count < study.model.layers.count)
    #expect(try Self.study(on: CPUBackend(), options: options).run(journal: journal).outcomes == expected.outcomes)
  }
}

/// Refuses allocations above a limit, and fails for good after a number of downloads.
final class SmallDevice: BackendDecorator, @unchecked Sendable {
  let base: any ComputeBackend
  var limit = Int.max
  var usefulRows: Int?
  var downloadsLeft = Int.max

  init(_ base: any ComputeBackend) { self.base = base }

  func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress {
    guard byteCount <= limit else { throw .outOfMemory(requested: byteCount, free: limit) }
    return try base.allocate(byteCount: byteCount)
  }

  func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) {
    downloadsLeft -= 1
    guard downloadsLeft >= 0 else { throw .device(code: 700, call: "cuMemcpyDtoHAsync") }
    try base.download(x, into: bytes)
  }
}
