import BackendCPU
import Glibc
import JSON
import Surgery
import TestSupport
import Testing

@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct ContinuationTests {
  struct Killed: Error {}

  static func study(shard: StudyOptions.Shard? = nil) throws -> AblationStudy {
    let whole = try AblationReferenceTests.study("stories260K", on: CPUBackend())
    var options = whole.options
    options.shard = shard
    options.suggestDrop = 2
    let prompts = Array(whole.prompts[0..<8])
    let plan = StudyPlan(lengths: prompts.map(\.count), config: whole.model.config, budget: 1 << 20)
    return AblationStudy(whole.model, prompts: prompts, options: options, plan: plan)
  }

  static func report(_ result: AblationStudy.Result, _ study: AblationStudy) -> JSON {
    let subject = AblationReport.Subject(path: "m", fingerprint: "f", config: study.model.config)
    let calibration = AblationReport.Calibration(path: "c", sha256: "s", maxTokens: 64)
    return AblationReport(result, of: study, subject: subject, calibration: calibration, backend: "cpu", seconds: 0).json
  }

  @Test("a killed study continues where it was and reports the same numbers to the last bit")
  func resume() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("journal")
    let study = try Self.study()
    let expected = Self.report(try study.run(), study)
    var calls = 0
    #expect(throws: Killed.self) {
      let journal = try StudyJournal(path: path, identity: "one", plan: study.plan, resuming: false)
      _ = try study.run(journal: journal) { _ in
        calls += 1
        if calls == 4 { throw Killed() }
      }
    }
    // A kill in the middle of a write leaves half a line.
    let file = fopen(path, "a")
    fputs("{\"group\":0,\"layer\":4,\"outc", file)
    fclose(file)

    do {
      let journal = try StudyJournal(path: path, identity: "one", plan: study.plan, resuming: true)
      // The first call was the full model's pass, which is not kept.
      #expect(journal.count == 3)
      let result = try study.run(journal: journal)
      #expect(Self.report(result, study) == expected)
      #expect(throws: JournalError.inUse(path: path)) {
        _ = try StudyJournal(path: path, identity: "one", plan: study.plan, resuming: true)
      }
    }
    #expect(throws: JournalError.otherStudy(path: path)) {
      _ = try StudyJournal(path: path, identity: "two", plan: study.plan, resuming: true)
    }
  }

  @Test("merged shards equal the single run", arguments: [1, 2, 3])
  func shards(count: Int) throws {
    let study = try Self.study()
    let expected = Self.report(try study.run(), study)
    var parts: [(path: String, report: JSON)] = []
    for index in (0..<count).reversed() {
      let part = try Self.study(shard: .init(index: index, count: count))
      // Through text, as files.
      parts.append(("part \(index)", try JSON(parsing: Self.report(try part.run(), part).text())))
    }
    #expect(try AblationReport(merging: parts).json == JSON(parsing: expected.text()))
    if count > 1 {
      #expect(throws: MergeError.missing(parts: [1], count: count)) {
        try AblationReport(merging: parts.filter { $0.report["shard"]?["index"]?.int != 2 })
      }
    }
  }
}
