import Glibc
import TensorCore
import Transformer

/// A token chosen from a row of logits.
struct TokenChoice {
  let id: Int32
  var logprob: Float?
  var alternatives: [(id: Int32, logprob: Float)] = []
}

/// Chooses the next tokens of answers that were passed through the model together. Greedy choices are made on the device; rows are brought to
/// the host for what needs all of their logits.
struct TokenChooser {
  private var row: [Float] = []

  /// One choice per row of logits [B, V], nil where the model's logits are no numbers.
  mutating func choices(_ logits: Tensor, for streams: [AnswerStream]) throws(BackendError) -> [TokenChoice?] {
    precondition(streams.count == logits.rows, "choices: \(streams.count) answers for \(logits.rows) rows")
    let winners = try Tensor(logits.rows, 1, .i32, on: logits.backend)
    logits.backend.rowArgmax(logits, into: winners)
    var sums: Tensor?
    if streams.contains(where: { $0.request.logprobs != nil }) {
      let tensor = try Tensor(logits.rows, 1, on: logits.backend)
      logits.backend.rowLogSumExp(logits, into: tensor)
      sums = tensor
    }
    let likeliest = try winners.ints()
    let logSums = try sums?.floats()
    var choices: [TokenChoice?] = []
    for (index, stream) in streams.enumerated() {
      let winner = likeliest[index]
      let options = stream.request.sampling
      let isGreedy = options.temperature == 0 && options.repetitionPenalty == 1
      // Logits that are no numbers win, the first of a row that has nothing else: no other winner needs a look.
      if isGreedy, stream.request.logprobs == nil, winner != 0 {
        choices.append(TokenChoice(id: winner))
        continue
      }
      try download(logits.rows(index..<index + 1))
      guard !row[Int(winner)].isNaN else {
        choices.append(nil)
        continue
      }
      var choice = TokenChoice(id: winner)
      // The model's own probabilities, before the penalty changes the row.
      let alternatives = logSums.map { self.alternatives(stream.request.logprobs ?? 0, logSum: $0[index]) } ?? []
      let plain = logSums != nil ? row : []
      if !isGreedy {
        if options.repetitionPenalty != 1 { options.penalize(&row, seen: stream.seen) }
        choice = TokenChoice(id: stream.sampler.token(row[...], at: stream.place))
      }
      if let logSums, stream.request.logprobs != nil {
        choice.logprob = plain[Int(choice.id)] - logSums[index]
        choice.alternatives = alternatives
      }
      choices.append(choice)
    }
    return choices
  }

  private mutating func download(_ logits: Tensor) throws(BackendError) {
    if row.count != logits.columns { row = [Float](repeating: 0, count: logits.columns) }
    try row.withUnsafeMutableBytes { bytes in
      Result { () throws(BackendError) in try logits.backend.download(logits, into: bytes) }
    }.get()
  }

  /// The likeliest of the row, with their ln p; of equal ones the lowest id first.
  private func alternatives(_ count: Int, logSum: Float) -> [(id: Int32, logprob: Float)] {
    Sampler.likeliest(count, of: row[...]).map { (Int32($0.id), $0.logit - logSum) }
  }
}
