/// How a text becomes the windows that its perplexity is measured on. Numbers of different protocols, windows or begin tokens cannot be
/// compared, so a result always names all three.
public enum PerplexityProtocol: String, Sendable, CaseIterable {
  /// Non-overlapping windows of the text, the last one shorter. BOS stands in front of each window, and every token of the text is scored;
  /// without BOS the first token of each window is not.
  case windows
  /// What papers on quantisation and pruning print (GPTQ, arXiv 2210.17323; Wanda, SliceGPT, LinearPatch): the text tokenised once, one BOS in
  /// front of all of it, non-overlapping windows of which all tokens but the first are scored; what is left at the end is dropped.
  case gptq
  /// What llama-perplexity prints: as `gptq`, but BOS overwrites the first token of each window and only its second half is scored.
  /// Different from that program, a special token's name in the text becomes that token, as Hugging Face tokenizers read it.
  case llamaCpp = "llama.cpp"
  /// lm-evaluation-harness' rolling log-likelihood of whole documents, per word and per byte (`WordPerplexity`).
  case word

  /// Ids of a window unless the user says: what the protocol's numbers are published for; nil takes the model's whole context.
  public var usualWindow: Int? {
    switch self {
    case .windows, .llamaCpp: 512
    case .gptq: 2048
    case .word: nil
    }
  }

  /// Windows that a text must fill.
  public var fewestWindows: Int { self == .llamaCpp ? 2 : 1 }
}

/// A stretch of a text that is run through the model by itself.
struct TextWindow: Sendable, Equatable {
  /// A token in front of the text's own: BOS.
  var lead: Int32?
  /// The ids' places in the text.
  var range: Range<Int>
  /// Index of the first token that is scored, the lead counted. At least 1: nothing predicts the first.
  var firstScored = 1

  /// Rows of the forward pass: the last token is only predicted.
  var rows: Int { range.count + (lead == nil ? 0 : 1) - 1 }
  var scored: Int { rows + 1 - firstScored }

  func ids(in text: [Int32]) -> [Int32] { (lead.map { [$0] } ?? []) + text[range] }
}

extension PerplexityProtocol {
  /// What is cut in windows: the text's ids, behind the one BOS of the protocols that have one in front of the whole text. `word` has a
  /// second one as context, so that the first is itself scored, which is what the harness does with tokenizers that add BOS.
  func stream(_ text: [Int32], bos: Int32?) -> [Int32] {
    guard let bos, self != .windows else { return text }
    return [bos] + text
  }

  /// Windows of `window` ids over the part `stream` of all ids; none where the part is too short.
  /// - Parameter lead: BOS; for `word` the token that is context for the first one, always there.
  func windows(of stream: Range<Int>, window: Int, lead: Int32?) -> [TextWindow] {
    switch self {
    case .windows:
      return stride(from: stream.lowerBound, to: stream.upperBound, by: window)
        .map { TextWindow(lead: lead, range: $0..<min($0 + window, stream.upperBound)) }
        .filter { $0.scored > 0 }
    case .gptq: return whole(stream, window).map { TextWindow(range: $0) }
    case .llamaCpp:
      return whole(stream, window).map {
        TextWindow(lead: lead, range: $0.dropFirst(lead == nil ? 0 : 1), firstScored: window / 2 + 1)
      }
    case .word: return rolling(stream, window, lead)
    }
  }

  private func whole(_ stream: Range<Int>, _ window: Int) -> [Range<Int>] {
    (0..<stream.count / window).map { stream.lowerBound + $0 * window..<stream.lowerBound + ($0 + 1) * window }
  }

  /// Every token once, with as much context as `window` rows hold: the first window begins with the lead, the following ones with one token
  /// of the window before, and the last, shorter one reaches back as far as there is room (lm_eval.utils.get_rolling_token_windows with
  /// context_len 1, made disjoint).
  private func rolling(_ stream: Range<Int>, _ window: Int, _ lead: Int32?) -> [TextWindow] {
    guard !stream.isEmpty else { return [] }
    let first = stream.prefix(window)
    var windows = [TextWindow(lead: lead, range: first)]
    for start in stride(from: first.upperBound, to: stream.upperBound, by: window) {
      let end = min(start + window, stream.upperBound)
      windows.append(TextWindow(range: end - window - 1..<end, firstScored: window + 1 - (end - start)))
    }
    return windows
  }

  /// The windows of lm-evaluation-harness' `loglikelihood_rolling` over a document: tokens, and how many at the end of each are scored.
  /// - Parameters:
  ///   - ids: of the document, its begin token among them where it has one.
  ///   - context: what the first of them is predicted from.
  package static func rollingWindows(of ids: [Int32], window: Int, context: Int32) -> [(tokens: [Int32], scored: Int)] {
    PerplexityProtocol.word.windows(of: ids.indices, window: window, lead: context).map { ($0.ids(in: ids), $0.scored) }
  }
}
