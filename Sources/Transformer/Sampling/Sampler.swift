import Glibc
import TensorCore

/// Chooses next tokens from logits: the likeliest, or one drawn at random from what is left by the repetition penalty, temperature, top-k, top-p
/// and min-p, applied in that order (as transformers does).
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
    /// Only tokens at least so probable as this share of the likeliest one's probability (arXiv 2407.01082); 0 for all.
    public var minP: Double
    /// What the logits of tokens that the text has already, prompt included, are divided by where they are positive and multiplied with where
    /// they are negative (arXiv 1909.05858); 1 changes nothing. It changes greedy choices too.
    public var repetitionPenalty: Double
    public var seed: UInt64

    public init(
      temperature: Double = 0, topK: Int? = nil, topP: Double = 1, minP: Double = 0, repetitionPenalty: Double = 1, seed: UInt64 = 0
    ) {
      (self.temperature, self.topK, self.topP, self.minP) = (temperature, topK, topP, minP)
      (self.repetitionPenalty, self.seed) = (repetitionPenalty, seed)
    }

    public static let greedy = Options()

    /// What is wrong with these options, in words; nil for nothing.
    public var problem: String? {
      if !(temperature >= 0 && temperature.isFinite) {
        return "temperature \(temperature); 0 takes the likeliest token, other values are above"
      }
      if let topK, topK < 1 { return "top-k \(topK); it must leave 1 token at least" }
      if !(topP > 0 && topP <= 1) { return "top-p \(topP); it is over 0 and at most 1" }
      if !(minP >= 0 && minP <= 1) { return "min-p \(minP); it is 0 to 1" }
      if !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
        return "repetition penalty \(repetitionPenalty); it is over 0, and 1 for none"
      }
      return nil
    }

    /// Makes what the text has already less likely, or more with a penalty under 1. `seen`: ids within the row.
    public func penalize(_ logits: inout [Float], seen: Set<Int32>) {
      let penalty = Float(repetitionPenalty)
      for id in seen {
        let logit = logits[Int(id)]
        logits[Int(id)] = logit < 0 ? logit * penalty : logit / penalty
      }
    }
  }

  public let options: Options

  /// Options must have been checked: they have no `problem`.
  public init(_ options: Options) {
    precondition(options.problem == nil, "sampler: \(options.problem ?? "")")
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
  /// Nobody is penalised: who wants that has `Options.penalize` change the logits first.
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

  /// Logits this far below the highest, times the temperature, are never drawn: all of them together weigh less than the last bit of the sum.
  private static let hopeless = 60.0

  /// The tokens that can be drawn, with probabilities that add to 1; temperature is over 0. Likeliest first where top-k or top-p choose. A
  /// logit that is no number has no chance.
  public func candidates(_ logits: ArraySlice<Float>) -> [Candidate] {
    let likeliest = Sampler.likeliest(logits)
    let highest = logits[logits.startIndex + Int(likeliest)]
    guard highest.isFinite else { return [Candidate(token: likeliest, probability: 1)] }
    // Min-p alone needs no probabilities; behind top-p it has to wait for them.
    let share = options.topP < 1 || options.minP == 0 ? -Sampler.hopeless : max(log(options.minP), -Sampler.hopeless)
    let least = Double(highest) + share * options.temperature
    let entries =
      options.topK.map { Sampler.likeliest($0, of: logits) }
      ?? logits.enumerated().compactMap { id, logit in
        Double(logit) >= least ? (id: id, logit: logit) : nil
      }
    var kept = normalized(
      entries.filter { Double($0.logit) >= least }.map {
        Candidate(token: Int32($0.id), probability: exp((Double($0.logit) - Double(highest)) / options.temperature))
      })
    guard options.topP < 1 else { return kept }
    // What is left out here has less than 1 - p altogether: none of it is in the nucleus, and it need not be sorted.
    let smallest = (1 - options.topP) / Double(kept.count)
    kept = sorted(kept.filter { $0.probability >= smallest })
    var sum = 0.0
    let end = kept.firstIndex { candidate in
      sum += candidate.probability
      return sum >= options.topP
    }
    kept = Array(kept[...(end ?? kept.count - 1)])
    return normalized(kept.filter { $0.probability >= options.minP * kept[0].probability })
  }

  /// The `count` highest logits, highest first, of equal ones the lowest id first; those that are no numbers are left out.
  public static func likeliest(_ count: Int, of logits: ArraySlice<Float>) -> [(id: Int, logit: Float)] {
    guard count > 0 else { return [] }
    var kept: [(id: Int, logit: Float)] = []
    var least = -Float.infinity
    func cut() {
      kept.sort { $0.logit != $1.logit ? $0.logit > $1.logit : $0.id < $1.id }
      if kept.count > count { kept.removeSubrange(count...) }
    }
    // Sorted now and then, so that most logits meet nothing but the least one that would still do.
    let most = count > logits.count / 2 ? logits.count : 2 * count + 64
    for (id, logit) in logits.enumerated() where logit > least || kept.count < count && !logit.isNaN {
      kept.append((id, logit))
      if kept.count > most {
        cut()
        least = kept[count - 1].logit
      }
    }
    cut()
    return kept
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
