import TestSupport
import Testing

@testable import Tasks

struct AnswerCacheTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private let answers = (0..<5).map { index in
    ModelAnswer(
      logLikelihoods: [-1.0 / 3 - Double(index), -2], greedy: [true, false], divergence: index == 2 ? 0.1 : 0, positions: index == 2 ? 3 : 0
    )
  }

  private func cache(identity: String = "abc") -> AnswerCache { AnswerCache(folder: folder.file("deep/er"), identity: identity) }

  private func fill(_ count: Int) { cache().append(Array(answers.prefix(count)), at: 0) }

  private func kept() -> [ModelAnswer] { (0..<10).compactMap(cache().answer) }

  @Test("answers come back to the last bit, also those of a run that did not end, and more can be added to them")
  func round() {
    fill(3)
    let again = cache()
    #expect(again.count == 3 && (0..<3).map { again.answer($0) } == answers.prefix(3).map(Optional.some) && again.answer(3) == nil)
    again.append([answers[3]], at: 3)
    #expect(kept() == Array(answers.prefix(4)))
    again.append([answers[4]], at: 4)
    #expect(again.count == 5 && kept() == answers && TestFiles.names(in: folder.file("deep/er")).count == 1)
    let written = cache(identity: "text")
    written.append([ModelAnswer(text: "zwölf\n\u{0} \"12\"")], at: 0)
    #expect(cache(identity: "text").answer(0) == ModelAnswer(text: "zwölf\n\u{0} \"12\""))
  }

  @Test("answers that turn out to be to other questions make room, and nothing is put where some are missing")
  func forgotten() {
    fill(4)
    let found = cache()
    found.forget(from: 2)
    #expect(found.count == 2 && found.answer(2) == nil && kept() == Array(answers.prefix(2)))
    found.append([answers[4]], at: 2)
    #expect(kept() == [answers[0], answers[1], answers[4]])
    found.append([answers[0]], at: 4)
    found.append([answers[0]], at: 3)
    #expect(kept().count == 3)
  }

  @Test("another's answers, half a line and nonsense are not taken")
  func damaged() throws {
    fill(3)
    let name = "deep/er/abc.jsonl"
    let bytes = try folder.read(name)
    #expect(cache(identity: "abd").count == 0)
    try folder.write("deep/er/abd.jsonl", bytes)
    #expect(cache(identity: "abd").count == 0)
    for (end, found) in [(bytes.count - 1, 2), (bytes.count - 20, 2), (10, 0), (0, 0)] {
      try folder.write(name, Array(bytes.prefix(end)))
      #expect(cache().count == found)
    }
    for line in [
      "{}", "[]", #"{"ll":[1],"greedy":[]}"#, #"{"ll":[],"greedy":[]}"#, #"{"ll":["x"],"greedy":[true]}"#, #"{"text":7}"#, "\u{0}",
    ] {
      try folder.write(name, bytes + Array((line + "\n").utf8))
      #expect(cache().count == 3, "\(line)")
    }
  }

  @Test("what a killed run left of a line is cut off before more is added")
  func torn() throws {
    fill(2)
    let bytes = try folder.read("deep/er/abc.jsonl")
    try folder.write("deep/er/abc.jsonl", bytes + Array(#"{"ll":[-1,"#.utf8))
    let found = cache()
    #expect(found.count == 2)
    found.append(Array(answers[2...]), at: 2)
    #expect(kept() == answers)
  }

  @Test("runs beside each other: what either has first is kept once, in order")
  func together() {
    let (one, other) = (cache(), cache())
    one.append(Array(answers.prefix(2)), at: 0)
    other.append(Array(answers.prefix(1)), at: 0)
    other.append([answers[1], answers[2]], at: 1)
    one.append([answers[2], answers[3]], at: 2)
    #expect(one.count == 4 && kept() == Array(answers.prefix(4)))
    other.append([answers[3], answers[4]], at: 3)
    #expect(kept() == answers)
  }

  @Test("where nothing can be written, answers are just not kept")
  func nowhere() throws {
    try folder.write("file", "x")
    let cache = AnswerCache(folder: folder.file("file/below"), identity: "abc")
    cache.append(answers, at: 0)
    cache.sync()
    #expect(cache.count == 0 && folder.names() == ["file"])
  }
}
