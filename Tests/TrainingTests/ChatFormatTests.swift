import Formats
import JSON
import TestSupport
import Testing
import Tokenization
import Training

/// Chat templates with the tokenizers they were made for.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct ChatFormatTests {
  private func conversations() throws -> [[ChatTemplate.Message]] {
    try SharedData.bytes("data/sft/chat.jsonl").split(separator: UInt8(ascii: "\n")).map { line in
      let messages = try #require(try JSON(parsing: Array(line))["messages"]?.array)
      return try messages.map { .init(role: try #require($0["role"]?.string), content: try #require($0["content"]?.string)) }
    }
  }

  /// What transformers does: the whole text is tokenised, and marked are the tokens from the one that holds an answer's first character to
  /// the one that holds its last (`apply_chat_template` with `return_assistant_tokens_mask`).
  private func marked(_ parts: [ChatTemplate.Part], _ tokenizer: Tokenizer) -> (ids: [Int32], isMarked: [Bool]) {
    let ids = tokenizer.encode(parts.map(\.text).joined(), template: false)
    var answers: [Range<Int>] = []
    var at = 0
    for part in parts {
      if part.isAnswer { answers.append(at..<at + part.text.utf8.count) }
      at += part.text.utf8.count
    }
    at = 0
    // The space that SentencePiece puts before the text, or behind an added token, stands for nothing.
    let isAdded = { (id: Int32) in tokenizer.isSpecial(id) }
    let startsText = zip([nil] + ids.map { Optional($0) }, ids).map { before, id in !isAdded(id) && before.map(isAdded) ?? true }
    let text = Array(parts.map(\.text).joined().utf8)
    let isMarked = zip(ids, startsText).map { id, isFirst in
      var bytes = tokenizer.decodeBytes(id)
      if isFirst, bytes.first == 0x20, !text[at...].starts(with: bytes) { bytes.removeFirst() }
      defer { at += bytes.count }
      return answers.contains { $0.overlaps(at..<at + bytes.count) }
    }
    #expect(at == text.count)
    return (ids, isMarked)
  }

  @Test(
    "ids and marks are those of the whole text by offsets, as transformers makes them",
    arguments: [
      (ChatTemplate.Family.llama3, "tokenizers/llama3-128k", "<|begin_of_text|>", "<|eot_id|>"),
      (.llama2, "tokenizers/llama2-32k", "<s>", "</s>"), (.zephyr, "tokenizers/llama2-32k", "<s>", "</s>"),
      (.llama3, "models/talespin-15m", "<|begin_of_text|>", "<|end_of_text|>"),
      (.zephyr, "models/stories260K", "<s>", "</s>"),
    ])
  func offsets(family: ChatTemplate.Family, folder: String, bos: String, eos: String) throws {
    let tokenizer = try Tokenizer(json: try SharedData.bytes(folder + "/tokenizer.json"))
    let template = ChatTemplate(family, bos: bos, eos: eos)
    for messages in try conversations() {
      // Two turns, so that something follows an answer.
      let parts = try template.parts(messages + messages)
      #expect(parts.count == (family == .llama2 || family == .llama3 ? 4 : 5) && parts.count { $0.isAnswer } == 2)
      let (ids, isMarked) = marked(parts, tokenizer)
      let pieces = tokenizer.encode(parts: parts.map(\.text))
      #expect(Array(pieces.joined()) == ids)
      #expect(zip(parts, pieces).flatMap { part, ids in ids.map { _ in part.isAnswer } } == isMarked)
    }
  }
}
