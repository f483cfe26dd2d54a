import Formats
import JSON

/// Which examples stand in front of each question; asked once for each, in the order of the data, as lm-evaluation-harness draws them: one
/// `random.Random(1234)` a task (`ContextSampler` and `FirstNSampler` of lm_eval/api/samplers.py, 0.4.13).
public struct FewShotSampler {
  private let data: TaskData
  private let count: Int
  private var random: PythonRandom

  public init(_ data: TaskData, count: Int, seed: UInt32 = 1234) {
    (self.data, self.count) = (data, count)
    random = PythonRandom(seed: seed)
  }

  /// - Returns: indices into the examples' source; they may be repeated from question to question, never in one.
  public mutating func next(for index: Int) throws(FormatError) -> [Int] {
    guard count > 0, data.definition.output != .rolling else { return [] }
    switch data.definition.examples.sampler {
    case .first: return try first(for: index)
    case .random: return try drawn(for: index)
    }
  }

  private func first(for index: Int) throws(FormatError) -> [Int] {
    let question = data.leavesQuestionOut ? try data.questions.row(index) : nil
    var chosen: [Int] = []
    for example in 0..<data.exampleCount where chosen.count < count {
      if let question, try isSame(example, question) { continue }
      chosen.append(example)
    }
    guard chosen.count == count else { throw tooFew(count, chosen.count) }
    return chosen
  }

  private mutating func drawn(for index: Int) throws(FormatError) -> [Int] {
    let population = data.exampleCount
    guard data.leavesQuestionOut else {
      guard count <= population else { throw tooFew(count, population) }
      return random.sample(count, of: population)
    }
    // One more is drawn, for the case that the question is among them.
    guard count < population else { throw tooFew(count + 1, population) }
    let question = try data.questions.row(index)
    var chosen: [Int] = []
    for example in random.sample(count + 1, of: population) where chosen.count < count {
      if try !isSame(example, question) { chosen.append(example) }
    }
    if chosen.count == count { return chosen }
    // Copies of the question were drawn as well: drawn again from what remains without them.
    var rest: [Int] = []
    for example in 0..<population { if try !isSame(example, question) { rest.append(example) } }
    guard count <= rest.count else { throw tooFew(count, rest.count) }
    return random.sample(count, of: rest.count).map { rest[$0] }
  }

  private func isSame(_ example: Int, _ question: JSON.Object) throws(FormatError) -> Bool {
    JSON.object(try data.example(example).row).isSame(.object(question))
  }

  private func tooFew(_ needed: Int, _ there: Int) -> FormatError {
    FormatError(
      data.examplePath, nil,
      "has \(there) row\(there == 1 ? "" : "s") for examples of \(data.definition.name); \(count) in front of a question need \(needed)")
  }
}
