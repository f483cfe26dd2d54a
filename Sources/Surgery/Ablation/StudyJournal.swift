import Glibc
import JSON

public enum JournalError: Error, Sendable, Equatable, CustomStringConvertible {
  case cannotWrite(path: String, reason: String)
  case otherStudy(path: String)
  case damaged(path: String, line: Int)
  case inUse(path: String)

  public var description: String {
    switch self {
    case .cannotWrite(let path, let reason): "\(path): cannot write the study's journal: \(reason)"
    case .otherStudy(let path):
      "\(path): this journal is of another study (model, calibration or options differ); give another -o, or remove it to start afresh"
    case .damaged(let path, let line): "\(path): line \(line) of the journal is damaged; remove the file to start afresh"
    case .inUse(let path): "\(path): another process is working on this study"
    }
  }
}

/// What a study or a search has finished, one JSON line per group of prompts and layer (and step of the search), on disk before the next
/// starts: a killed study continues there. Numbers are written so that they read back to the last bit; a resumed report equals an
/// uninterrupted one.
public final class StudyJournal {
  public let path: String
  private let descriptor: Int32
  private var lastSync = ContinuousClock.now
  private var known: [Key: [[PromptOutcome]]] = [:]
  private var knownNumbers: [String: [Double]] = [:]
  /// The plan this study was started with; a resumed study keeps it, so that groups mean the same prompts.
  public private(set) var plan: StudyPlan

  private struct Key: Hashable {
    let group: Int, layer: Int, step: Int
  }

  /// How many pieces an earlier run left.
  public var count: Int { known.count + knownNumbers.count }

  /// Opens the journal of the study called `identity` (whatever determines its numbers). With `resuming`, an existing journal of the same
  /// study is continued; otherwise it is started anew.
  public init(path: String, identity: String, plan: StudyPlan, resuming: Bool) throws(JournalError) {
    self.path = path
    self.plan = plan
    let isNew = access(path, F_OK) != 0
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .cannotWrite(path: path, reason: String(cString: strerror(errno))) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else { throw .inUse(path: path) }
    do throws(JournalError) {
      if !resuming { ftruncate(descriptor, 0) }
      try load(identity: identity)
    } catch {
      // A disk too full for the first line: nothing was measured, so nothing is left behind.
      if isNew { unlink(path) }
      throw error
    }
  }

  private func load(identity: String) throws(JournalError) {
    let lines = readAll().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    // A kill may leave half a line behind the last newline; it is cut off and measured again.
    let whole = lines.dropLast()
    if whole.isEmpty {
      // Half of a first line is a kill's; anything else is somebody's file.
      guard StudyJournal.opening.starts(with: lines[0].prefix(StudyJournal.opening.count)) else { throw .damaged(path: path, line: 1) }
      ftruncate(descriptor, 0)
      lseek(descriptor, 0, SEEK_SET)
      try write(header(identity))
      return
    }
    try read(Array(whole), identity: identity)
    let length = whole.reduce(0) { $0 + $1.count + 1 }
    ftruncate(descriptor, off_t(length))
    lseek(descriptor, 0, SEEK_END)
  }

  deinit { close(descriptor) }

  /// - Parameter step: how many parts were out already; 0 for studies of the full model.
  public func outcomes(group: Int, layer: Int, step: Int = 0) -> [[PromptOutcome]]? {
    known[Key(group: group, layer: layer, step: step)]
  }

  public func append(_ outcomes: [[PromptOutcome]], group: Int, layer: Int, step: Int = 0) throws(JournalError) {
    known[Key(group: group, layer: layer, step: step)] = outcomes
    var line: JSON.Object = ["group": .int(group), "layer": .int(layer)]
    if step > 0 { line["step"] = .int(step) }
    line["outcomes"] = .array(outcomes.map { .array($0.map(\.json)) })
    try write(.object(line))
  }

  /// What a step of a search found that is no outcome, under a name of its own.
  public func numbers(_ name: String) -> [Double]? { knownNumbers[name] }

  public func append(_ numbers: [Double], named name: String) throws(JournalError) {
    knownNumbers[name] = numbers
    try write(["name": .string(name), "numbers": .array(numbers.map { JSON(measured: $0) })])
  }

  /// Removes the journal of a finished study.
  public func remove() { unlink(path) }

  /// How every journal begins.
  private static let opening = Array(#"{"format":"hoof-ablation-journal","#.utf8)

  private func header(_ identity: String) -> JSON {
    [
      "format": "hoof-ablation-journal", "version": 1, "identity": .string(identity),
      "groups": .array(plan.groups.map { [.int($0.lowerBound), .int($0.upperBound)] }), "rows_per_batch": .int(plan.rowsPerBatch),
      "keeps_logits": .bool(plan.keepsLogits), "rows_per_chunk": .int(plan.rowsPerChunk),
    ]
  }

  private func read(_ lines: [ArraySlice<UInt8>], identity: String) throws(JournalError) {
    for (index, line) in lines.enumerated() {
      guard let value = try? JSON(parsing: Array(line)) else { throw .damaged(path: path, line: index + 1) }
      if index == 0 {
        guard value["identity"]?.string == identity else { throw .otherStudy(path: path) }
        guard let stored = StudyPlan(journal: value), stored.groups.last?.upperBound == plan.groups.last?.upperBound else {
          throw .damaged(path: path, line: 1)
        }
        plan = stored
      } else if let name = value["name"]?.string {
        let numbers = value["numbers"]?.array?.map(\.measured)
        guard let numbers, numbers.allSatisfy({ $0 != nil }) else { throw .damaged(path: path, line: index + 1) }
        knownNumbers[name] = numbers.map { $0! }
      } else {
        let outcomes = value["outcomes"]?.array?.map { $0.array?.compactMap(PromptOutcome.init) ?? [] }
        let step = value["step"].map(\.int) ?? 0
        guard let group = value["group"]?.int, let layer = value["layer"]?.int, let step, plan.groups.indices.contains(group),
          let outcomes, outcomes.allSatisfy({ $0.count == plan.groups[group].count })
        else { throw .damaged(path: path, line: index + 1) }
        known[Key(group: group, layer: layer, step: step)] = outcomes
      }
    }
  }

  private func readAll() -> [UInt8] {
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &block, block.count)
      guard count > 0 else { return bytes }
      bytes += block[0..<count]
    }
  }

  private func write(_ value: JSON) throws(JournalError) {
    let line = Array((value.text() + "\n").utf8)
    var start = 0
    while start < line.count {
      let written = line[start...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard written > 0 else { throw .cannotWrite(path: path, reason: String(cString: strerror(errno))) }
      start += written
    }
    // A killed process loses nothing that was written; only a power cut could, and no more than this much work. Syncing after every layer
    // took a tenth of a short study.
    guard lastSync.duration(to: .now) > StudyJournal.syncInterval else { return }
    guard fdatasync(descriptor) == 0 else { throw .cannotWrite(path: path, reason: String(cString: strerror(errno))) }
    lastSync = .now
  }

  private static let syncInterval = Duration.seconds(5)
}

extension StudyPlan {
  init?(journal value: JSON) {
    let groups = value["groups"]?.array?.compactMap { pair -> Range<Int>? in
      guard let bounds = pair.array?.compactMap(\.int), bounds.count == 2, bounds[0] >= 0, bounds[0] < bounds[1] else { return nil }
      return bounds[0]..<bounds[1]
    }
    let sizes = 1...1 << 30
    guard let groups, groups.count == value["groups"]?.array?.count, let rows = value["rows_per_batch"]?.int, sizes.contains(rows),
      let keeps = value["keeps_logits"]?.bool, let chunk = value["rows_per_chunk"]?.int, sizes.contains(chunk)
    else { return nil }
    // Every prompt once, in order.
    guard zip([0] + groups.map(\.upperBound), groups).allSatisfy({ $0 == $1.lowerBound }) else { return nil }
    self.groups = groups
    (rowsPerBatch, keepsLogits, rowsPerChunk) = (rows, keeps, chunk)
  }
}

extension PromptOutcome {
  var json: JSON {
    .array(
      [
        .int(positions), JSON(measured: divergence), JSON(measured: lastDivergence), JSON(measured: greatestDivergence),
        JSON(measured: loss), .int(agreements),
      ] + (jensenShannon.map { [JSON(measured: $0)] } ?? []))
  }

  init?(_ json: JSON) {
    guard let values = json.array, (6...7).contains(values.count), let positions = values[0].int, let agreements = values[5].int,
      let divergence = values[1].measured, let last = values[2].measured, let greatest = values[3].measured, let loss = values[4].measured,
      (1...1 << 30).contains(positions), (0...positions).contains(agreements), values.count == 6 || values[6].measured != nil
    else { return nil }
    self.init(
      positions: positions, divergence: divergence, lastDivergence: last, greatestDivergence: greatest, loss: loss, agreements: agreements,
      jensenShannon: values.count == 7 ? values[6].measured : nil)
  }
}

extension JSON {
  /// JSON has no infinity, and a changed model may well overflow: such numbers are kept as text.
  init(measured value: Double) { self = value.isFinite ? .double(value) : .string("\(value)") }

  var measured: Double? { double ?? string.flatMap { ["inf", "-inf", "nan", "-nan"].contains($0) ? Double($0) : nil } }
}
