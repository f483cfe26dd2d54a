import TestSupport
import Testing
import Tokenization

@testable import Tasks

@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct RequestEncoderTests {
  private let tokenizer: Tokenizer
  private let begin: Int32 = 1

  init() throws { tokenizer = try Tokenizer(json: SharedData.bytes("models/stories260K/tokenizer.json")) }

  private func encoder(_ maxLength: Int = 512, usesTemplate: Bool = true, extraBegin: Int32? = nil) -> RequestEncoder {
    RequestEncoder(tokenizer, usesTemplate: usesTemplate, extraBegin: extraBegin, prefix: begin, maxLength: maxLength)
  }

  private func plain(_ text: String) -> [Int32] { tokenizer.encode(text, template: false) }

  @Test("a context's last white space goes over to the continuation; what is behind the context's own tokens is scored")
  func split() throws {
    let request = try encoder().request(context: "Once upon a", continuation: " time there")
    let whole = [begin] + plain("Once upon a time there")
    #expect(request.tokens == whole && request.scored == whole.count - 1 - plain("Once upon a").count)
    for (context, continuation) in [("Once upon a ", "time there"), ("Once upon a", " time there"), ("Once upon ", "a time there")] {
      let other = try encoder().request(context: context, continuation: continuation)
      #expect(other.tokens == whole)
    }
    let line = try encoder().request(context: "Once upon a \n", continuation: "time")
    #expect(line.tokens == [begin] + plain("Once upon a \ntime"))
    #expect(line.scored == line.tokens.count - 1 - plain("Once upon a").count)
  }

  @Test("nothing in front, or white space alone: the begin token predicts the first")
  func empty() throws {
    #expect(
      try encoder().request(context: "", continuation: "Once")
        == ScoringRequest(tokens: [begin] + plain("Once"), scored: plain("Once").count))
    // A text that begins with the token has it for its context.
    let own = try encoder().request(context: "", continuation: "<s>Once")
    #expect(own.tokens == plain("<s>Once") && own.tokens[0] == begin && own.scored == own.tokens.count - 1)
    let space = try encoder(usesTemplate: false).request(context: "  ", continuation: "Once")
    #expect(space.tokens == [begin] + plain("  Once") && space.scored == plain("  Once").count)
  }

  @Test("the begin token stands in front once, or not at all, or where the user wants it")
  func begins() throws {
    #expect(try encoder().request(context: "<s>Once upon", continuation: " a").tokens.filter { $0 == begin }.count == 1)
    #expect(try encoder(usesTemplate: false).request(context: "Once upon", continuation: " a").tokens == plain("Once upon a"))
    let extra = encoder(usesTemplate: false, extraBegin: begin)
    #expect(try extra.request(context: "Once upon", continuation: " a").tokens == [begin] + plain("Once upon a"))
    #expect(extra.prompt("Once", room: 4) == [begin] + plain("Once"))
  }

  @Test("contexts too long lose their beginning, answers too long are refused, and so are those without tokens")
  func limits() throws {
    let long = String(repeating: "and then they went home. ", count: 20)
    let request = try encoder(32).request(context: long + "The", continuation: " end")
    // One token more than the model reads: the last is only predicted.
    #expect(request.tokens.count == 33 && request.tokens == Array(plain(long + "The end").suffix(33)))
    #expect(encoder(32).prompt(long, room: 10) == Array(plain(long).suffix(22)))
    #expect(throws: RequestEncoder.Refusal.tooLong(tokens: plain(long).count, maxLength: 32)) {
      try encoder(32).request(context: "", continuation: long)
    }
    #expect(throws: RequestEncoder.Refusal.empty) { try encoder().request(context: "Once", continuation: "") }
    #expect(throws: RequestEncoder.Refusal.empty) { try encoder().windows(of: "") }
  }

  @Test("a text scored from its first token on is cut in windows that predict each token once")
  func windows() throws {
    let text = String(repeating: "and then they went home. ", count: 20)
    let ids = plain(text)
    let windows = try encoder(32).windows(of: text)
    #expect(windows.reduce(0) { $0 + $1.scored } == ids.count + 1)
    #expect(windows[0].tokens.prefix(2) == [begin, begin])
    #expect(windows.flatMap { $0.tokens.suffix($0.scored) } == [begin] + ids)
    #expect(windows.allSatisfy { $0.input.count <= 32 })
    // A text that begins with the begin token's text gets no second one (`has_bos_prefix` in HFLM.tok_encode).
    let marked = try encoder().windows(of: try #require(tokenizer.piece(begin)) + "Once upon a time")
    #expect(marked == [ScoringRequest(tokens: [begin] + plain("<s>Once upon a time"), scored: plain("<s>Once upon a time").count)])
    #expect(marked[0].tokens.filter { $0 == begin }.count == 2)
  }
}
