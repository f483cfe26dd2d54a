import Glibc
import TensorCore

/// Chooses next tokens from logits: the likeliest, or one drawn at random from what temperature, top-k and top-p leave, applied in that order
/// (as transformers does).
///
/// What is drawn depends on the logits, the seed, the stream and the place in it, and on nothing that was drawn before: sequences that are
/// written side by side do not disturb each other, and one can be written again.
public struct Sampler: Sendable {
  public struct Options: Sendable, Equatable {
    /// What logits are divided by; 0 takes the likeliest token, of equal ones that of the lowest id.
    public var temperature: Double
    /// Only so many of the likeliest tokens; nil for all.
    public var topK: Int?
    /// Only the likeliest tokens that together have at least this probability (nucleus sampling, arXiv 1904.09751); 1 for all.
    public var topP: Double
    public var seed: UInt64

    public init(temperature: Double = 0, topK: Int? = nil, topP: Double = 1, seed: UInt64 = 0) {
      (self.temperature, self.topK, self.topP, self.seed) = (temperature, topK, topP, seed)
    }

    public static let greedy = Options()
  }

  public let options: Options

  /// Options must have been checked: temperature at least 0 and finite, topK at least 1, topP over 0 and at most 1.
  public init(_ options: Options) {
    precondition(options.temperature >= 0 && options.temperature.isFinite, "sampler: temperature \(options.temperature)")
    precondition(options.topK.map { $0 > 0 } ?? true, "sampler: top-k \(options.topK ?? 0)")
    precondition(options.topP > 0 && options.topP <= 1, "sampler: top-p \(options.topP)")
    self.options = options
  }

  /// A place in a sequence of tokens, which decides what is drawn there.
  public struct Place: Sendable {
    /// Number of the sequence.
    public var stream: UInt64
    /// Number of the token in it.
    public var index: UInt64

    public init(stream: Int, index: Int) { (self.stream, self.index) = (UInt64(stream), UInt64(index)) }
  }

  /// The next token of each row of logits [B, V] f32. The likeliest are found on the device; to draw, the logits are brought to the host.
  public func tokens(_ logits: Tensor, at places: [Place]) throws(BackendError) -> [Int32] {
    precondition(places.count == logits.rows, "sampler: \(places.count) places for \(logits.rows) rows")
    if options.temperature == 0 {
      let winners = try Tensor(logits.rows, 1, .i32, on: logits.backend)
      logits.backend.rowArgmax(logits, into: winners)
      return try winners.ints()
    }
    let values = try logits.floats()
    let columns = logits.columns
    return places.enumerated().map { row, place in token(values[row * columns..<(row + 1) * columns], at: place) }
  }

  /// The next token, from the logits of all tokens.
  public func token(_ logits: ArraySlice<Float>, at place: Place) -> Int32 {
    if options.temperature == 0 { return Sampler.likeliest(logits) }
    let candidates = candidates(logits)
    let total = candidates.reduce(0) { $0 + $1.probability }
    var left = SplitMix64.fraction(place.index, seed: SplitMix64.seed(options.seed, for: place.stream)) * total
    for candidate in candidates {
      left -= candidate.probability
      if left < 0 { return candidate.token }
    }
    // Only rounding leads here.
    return candidates[candidates.count - 1].token
  }

  public struct Candidate: Sendable, Equatable {
    public let token: Int32
    public let probability: Double
  }

  /// The tokens that can be drawn, with probabilities that add to 1; temperature is over 0. Likeliest first where top-k or top-p choose. A
  /// logit that is no number has no chance.
  public func candidates(_ logits: ArraySlice<Float>) -> [Candidate] {
    let likeliest = Sampler.likeliest(logits)
    let highest = logits[logits.startIndex + Int(likeliest)]
    var kept: [Candidate] = []
    for (id, logit) in logits.enumerated() {
      // Equal ones first: infinity less infinity is no number.
      let weight = logit == highest ? 1 : exp((Double(logit) - Double(highest)) / options.temperature)
      if weight > 0 { kept.append(Candidate(token: Int32(id), probability: weight)) }
    }
    if kept.isEmpty { return [Candidate(token: likeliest, probability: 1)] }
    if let topK = options.topK, topK < kept.count { kept = Array(sorted(kept).prefix(topK)) }
    kept = normalized(kept)
    guard options.topP < 1 else { return kept }
    // What is left out here has less than 1 - p altogether: none of it is in the nucleus, and it need not be sorted.
    let least = (1 - options.topP) / Double(kept.count)
    kept = sorted(kept.filter { $0.probability >= least })
    var sum = 0.0
    let end = kept.firstIndex { candidate in
      sum += candidate.probability
      return sum >= options.topP
    }
    return normalized(Array(kept[...(end ?? kept.count - 1)]))
  }

  private func sorted(_ candidates: [Candidate]) -> [Candidate] {
    candidates.sorted { $0.probability != $1.probability ? $0.probability > $1.probability : $0.token < $1.token }
  }

  private func normalized(_ candidates: [Candidate]) -> [Candidate] {
    let total = candidates.reduce(0) { $0 + $1.probability }
    return candidates.map { Candidate(token: $0.token, probability: $0.probability / total) }
  }

  private static func likeliest(_ logits: ArraySlice<Float>) -> Int32 {
    var best = logits.startIndex
    for index in logits.indices where logits[index] > logits[best] || logits[best].isNaN && !logits[index].isNaN { best = index }
    return Int32(best - logits.startIndex)
  }
}
