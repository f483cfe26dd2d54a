import Evaluation
import Formats
import Generation
import Tokenization

/// Makes examples of texts.
///
/// A text is tokenised part by part, cut where an answer begins and where it ends, so that no token lies across such a border. That is what
/// happens when the model is used: the prompt is tokenised, and the model goes on behind it with a token of its own. Tokenising the whole and
/// marking tokens by their offsets, as TRL's `assistant_only_loss` does with the tokenizer's `char_to_token`, gives the same ids wherever no
/// merge crosses the border: with the four chat templates, unless an answer begins with a line end. Where one does, it would train on a token
/// that the model never gets to write. LLaMA-Factory tokenises part by part too, but each part as a text of its own, which gives SentencePiece
/// models a space too many.
struct ExampleMaker {
  let path: String
  let tokenizer: Tokenizer
  let config: LlamaConfig
  let format: ChatFormat
  let options: TrainingData.Options

  var begin: [Int32] { options.bos ? tokenizer.bosTokens : [] }
  var end: Int32? { config.endToken.map(Int32.init) }

  /// The examples of one text, none where it is too long, and whether something had to be cut.
  func examples(of text: CorpusText, _ place: String) throws(FormatError) -> (examples: [TrainingExample], isCut: Bool) {
    switch text {
    case .plain(let text): return try pieces(of: text, place)
    case .prompted(let text):
      let answer = text.answer ?? ""
      guard answer.contains(where: { !$0.isWhitespace }) else { throw FormatError(path, place, "the answer is empty") }
      if let request = text.request, !format.isAbsent {
        return try conversation([.init(role: "user", content: request), .init(role: "assistant", content: answer)], place)
      }
      return try answered([[.init(text.prompt, isAnswer: false), .init(answer, isAnswer: true)]], begin: begin, end: end, place)
    case .messages(let messages): return try conversation(messages, place)
    }
  }

  private func conversation(
    _ messages: [ChatTemplate.Message], _ place: String
  ) throws(FormatError) -> (examples: [TrainingExample], isCut: Bool) {
    try checkRoles(messages, place)
    guard messages.contains(where: \.isAnswer) else { throw FormatError(path, place, "no message is the assistant's") }
    guard let template = try template(place) else { return try answered(pairs(messages, place), begin: begin, end: end, place) }
    let parts: [ChatTemplate.Part]
    do throws(TokenizerError) { parts = try template.parts(messages) } catch { throw FormatError(path, place, "\(error)") }
    return try answered([parts], begin: [], end: nil, place)
  }

  func checkRoles(_ messages: [ChatTemplate.Message], _ place: String) throws(FormatError) {
    for (index, message) in messages.enumerated() {
      guard ["system", "user", "assistant"].contains(message.role) else {
        throw FormatError(path, place, "message \(index) is of '\(message.role)'; roles are system, user and assistant")
      }
      if message.isAnswer, message.content.allSatisfy(\.isWhitespace) {
        throw FormatError(path, place, "message \(index): the answer is empty")
      }
    }
  }

  /// The template that conversations go through; nil for the plain format.
  func template(_ place: String) throws(FormatError) -> ChatTemplate? {
    do throws(ChatFormatError) { return try format.template(for: tokenizer) } catch { throw FormatError(path, place, "\(error)") }
  }

  /// A question and its answer each, in the plain format.
  func pairs(_ messages: [ChatTemplate.Message], _ place: String) throws(FormatError) -> [[ChatTemplate.Part]] {
    do throws(ChatFormatError) { return try ChatFormat.pairs(messages) } catch { throw FormatError(path, place, "\(error)") }
  }

  /// One example of groups that are tokenised each as a text of its own.
  /// - Parameters:
  ///   - begin: what stands in front, unless the text brings it along, as one does that went through a chat template before.
  ///   - end: what is written behind each group; nil where the text has its end tokens already.
  private func answered(
    _ groups: [[ChatTemplate.Part]], begin: [Int32], end: Int32?, _ place: String
  ) throws(FormatError) -> (examples: [TrainingExample], isCut: Bool) {
    var ids: [Int32] = []
    var isScored: [Bool] = []
    for group in groups {
      for (part, partIDs) in zip(group, tokenizer.encode(parts: group.map(\.text))) {
        ids += partIDs
        isScored += partIDs.map { _ in part.isAnswer || options.scores == .all }
      }
      if let end, group.last?.isAnswer == true, ids.last != end {
        ids.append(end)
        isScored.append(true)
      }
    }
    if !ids.starts(with: begin) {
      ids = begin + ids
      isScored = begin.map { _ in false } + isScored
    }
    for index in 0..<min(max(1, begin.count), ids.count) { isScored[index] = false }
    try check(ids, place)
    guard let needed = isScored.lastIndex(of: true) else { throw FormatError(path, place, "has no token that could be scored") }
    let isLong = needed >= options.maxTokens
    if isLong, options.long == .drop { return ([], false) }
    guard let last = isScored.prefix(options.maxTokens).lastIndex(of: true) else { return ([], false) }
    return ([TrainingExample(ids: Array(ids[...last]), isScored: Array(isScored[...last]), place: place)], isLong)
  }

  /// A plain text, in as many examples as it takes. Without a begin token each but the first repeats the last id of the one before: something
  /// must stand before what is scored.
  private func pieces(of text: String, _ place: String) throws(FormatError) -> (examples: [TrainingExample], isCut: Bool) {
    guard text.contains(where: { !$0.isWhitespace }) else { throw FormatError(path, place, "the text is empty") }
    var ids = tokenizer.encode(text, template: false)
    if ids.starts(with: begin) { ids.removeFirst(begin.count) }
    if let end, ids.last != end { ids.append(end) }
    try check(begin + ids, place)
    let context = max(1, begin.count)
    var start = begin.isEmpty ? 1 : 0
    guard start < ids.count else { throw FormatError(path, place, "has no token that could be scored") }
    if options.long == .drop, context + ids.count - start > options.maxTokens { return ([], false) }
    var examples: [TrainingExample] = []
    while start < ids.count {
      let piece = ids[start..<min(ids.count, start + options.maxTokens - context)]
      let before = begin.isEmpty ? [ids[start - 1]] : begin
      examples.append(
        TrainingExample(ids: before + piece, isScored: before.map { _ in false } + piece.map { _ in true }, place: place))
      start = piece.endIndex
    }
    return (examples, examples.count > 1)
  }

  func check(_ ids: [Int32], _ place: String) throws(FormatError) {
    guard let highest = ids.max(), Int(highest) >= config.vocabularySize else { return }
    throw FormatError(path, place, "token \(highest) is outside the model's vocabulary of \(config.vocabularySize)")
  }
}
