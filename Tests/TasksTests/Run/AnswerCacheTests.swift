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

  private func cache(resuming: Bool = false, identity: String = "abc") -> AnswerCache {
    AnswerCache(folder: folder.file("deep/er"), identity: identity, resuming: resuming)
  }

  private func fill(_ count: Int) {
    let cache = cache()
    cache.append(Array(answers.prefix(count)))
    cache.finish()
  }

  @Test("answers come back to the last bit, and more can be added to them")
  func round() {
    fill(3)
    let again = cache()
    #expect(again.found == 3 && !again.hasResumed && again.leftover == 0)
    #expect((0..<3).map { again.answer($0) } == answers.prefix(3).map(Optional.some) && again.answer(3) == nil)
    again.append([answers[3]])
    again.append([answers[4]])
    // Until the end it is not told apart from a run that was killed.
    #expect(cache().found == 3 && cache().leftover == 5)
    again.finish()
    #expect(cache().found == 5 && (0..<5).map { cache().answer($0) } == answers.map(Optional.some))
    let written = cache(identity: "text")
    written.append([ModelAnswer(text: "zwölf\n\u{0} \"12\"")])
    written.finish()
    #expect(cache(identity: "text").answer(0) == ModelAnswer(text: "zwölf\n\u{0} \"12\""))
  }

  @Test("what a killed run left is taken only where that is wanted")
  func resume() throws {
    let killed = cache()
    killed.append(Array(answers.prefix(2)))
    #expect(cache().found == 0 && cache().leftover == 2)
    let resumed = cache(resuming: true)
    #expect(resumed.found == 2 && resumed.hasResumed)
    resumed.finish()
    #expect(cache().found == 2 && folder.names().count == 1)
    withExtendedLifetime(killed) {}
  }

  @Test("another's answers, half a line and nonsense are not taken")
  func damaged() throws {
    fill(3)
    let name = "deep/er/abc.jsonl"
    let bytes = try folder.read(name)
    #expect(cache(identity: "abd").found == 0)
    try folder.write("deep/er/abd.jsonl", bytes)
    #expect(cache(identity: "abd").found == 0)
    for (end, found) in [(bytes.count - 1, 2), (bytes.count - 20, 2), (10, 0), (0, 0)] {
      try folder.write(name, Array(bytes.prefix(end)))
      #expect(cache().found == found)
    }
    for line in [
      "{}", "[]", #"{"ll":[1],"greedy":[]}"#, #"{"ll":[],"greedy":[]}"#, #"{"ll":["x"],"greedy":[true]}"#, #"{"text":7}"#, "\u{0}",
    ] {
      try folder.write(name, bytes + Array((line + "\n").utf8))
      #expect(cache().found == 3, "\(line)")
    }
  }

  @Test("two runs at once: one keeps its answers, and neither fails")
  func together() {
    let (one, other) = (cache(), cache())
    one.append(Array(answers.prefix(2)))
    other.append(Array(answers.prefix(1)))
    other.finish()
    one.append(Array(answers[2...]))
    one.finish()
    #expect(cache().found == 5)
  }

  @Test("where nothing can be written, answers are just not kept")
  func nowhere() throws {
    try folder.write("file", "x")
    let cache = AnswerCache(folder: folder.file("file/below"), identity: "abc", resuming: false)
    cache.append(answers)
    cache.finish()
    #expect(cache.found == 0 && folder.names() == ["file"])
  }
}
