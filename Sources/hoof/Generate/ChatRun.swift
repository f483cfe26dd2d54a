import Formats
import Generation
import TensorCore
import Terminal
import Tokenization
import Transformer

/// One run of `hoof chat`: a conversation at a terminal, or one whose messages come line by line from a file.
struct ChatRun {
  private let arguments: Arguments
  private let sampling: Sampler.Options

  /// As llama.cpp has them.
  static let usualTemperature = 0.8
  static let usualMinP = 0.05

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    sampling = try Sampler.Options(arguments, temperature: ChatRun.usualTemperature, minP: ChatRun.usualMinP)
    if arguments.strings("stop").contains("") { throw UsageError(command: "chat", "--stop: the text is empty") }
  }

  func run() throws {
    let writer = try WritingModel(arguments.first("MODEL")!, arguments)
    let chat = try writer.chat()
    let engine = try writer.engine(slots: 1, contextLength: writer.contextLength)
    if !arguments.has("quiet") {
      let guess = writer.isTalkedTo ? "" : " (the model has no chat template; --chat-template names another)"
      Output.note("hoof: format \(chat.name)\(guess), context of \(engine.contextLength) tokens; /help lists commands, Ctrl-D ends")
    }
    var conversation = Conversation(writer: writer, chat: chat, engine: engine, sampling: sampling, arguments: arguments)
    Interrupt.catchInteractively()
    try conversation.run()
  }
}

/// What has been said, and what is said next.
private struct Conversation {
  let writer: WritingModel
  let chat: ChatPrompt
  let engine: GenerationEngine
  let sampling: Sampler.Options
  let arguments: Arguments
  private var messages: [ChatTemplate.Message]
  /// A file's text that goes with the next message.
  private var attached = ""
  /// Tries at the last answer.
  private var tries = 0
  private var input = LineInput()
  private let isTyped = LineInput.isTerminal

  init(writer: WritingModel, chat: ChatPrompt, engine: GenerationEngine, sampling: Sampler.Options, arguments: Arguments) {
    (self.writer, self.chat, self.engine, self.sampling, self.arguments) = (writer, chat, engine, sampling, arguments)
    messages = arguments.string("system").map { [.init(role: "system", content: $0)] } ?? []
  }

  mutating func run() throws {
    var wasInterrupted = false
    while true {
      switch try message() {
      case .end:
        if isTyped { try Output.write("\n") }
        return
      case .interrupted:
        // Nothing is lost by one Ctrl-C too many; who insists wants to leave.
        if wasInterrupted || !isTyped { throw Interrupted() }
        wasInterrupted = true
        Output.note("\n(Ctrl-C again, Ctrl-D or /exit ends the conversation)")
      case .text(let text):
        wasInterrupted = false
        if try !take(text) { return }
      }
    }
  }

  /// A message as it is typed, of one line or several.
  private mutating func message() throws -> LineInput.Line {
    var whole = ""
    var sign = "> "
    while true {
      if isTyped, Output.isTerminal { try Output.write(sign) }
      let line = try input.next()
      if line == .interrupted { _ = Interrupt.take() }
      guard case .text(let text) = line else { return line == .end && !whole.isEmpty ? .text(whole) : line }
      guard text.hasSuffix("\\") else { return .text(whole + text) }
      whole += text.dropLast() + "\n"
      sign = ". "
    }
  }

  /// False when the conversation is to end.
  private mutating func take(_ text: String) throws -> Bool {
    guard let word = ChatWord(text) else {
      guard text.contains(where: { !$0.isWhitespace }) else { return true }
      messages.append(.init(role: "user", content: attached + text))
      (attached, tries) = ("", 0)
      try answer()
      return true
    }
    switch word {
    case .exit: return false
    case .help: Output.note(ChatWord.lines)
    case .clear:
      messages.removeAll { $0.role != "system" }
      attached = ""
      Output.note("(forgotten)")
    case .again:
      guard messages.last?.isAnswer == true else {
        Output.note("(there is no answer yet)")
        return true
      }
      messages.removeLast()
      tries += 1
      try answer()
    case .read(let path):
      do throws(CommandError) {
        guard let contents = String(validating: try Input.file(path), as: UTF8.self) else {
          throw CommandError("the file is not valid UTF-8", at: path)
        }
        attached += contents + "\n"
        Output.note("(\(contents.utf8.count) bytes of \(path) go with the next message)".onOneLine)
      } catch { Output.note("hoof: \(error)") }
    case .unknown(let name): Output.note("(there is no command \(name); /help lists those there are)".onOneLine)
    }
    return true
  }

  /// Has the model answer the last message. Where that fails the message is taken back.
  private mutating func answer() throws {
    let answer = CollectedAnswer()
    let ticket: Ticket
    var limit = engine.contextLength
    var clock = WritingClock(after: engine.load)
    do {
      var request = try writer.request(messages, chat)
      (request.sampling, request.stream) = (sampling, tries)
      request.limit = arguments.int("max-new-tokens")
      request.stopStrings += arguments.strings("stop")
      limit = request.limit ?? limit
      ticket = try engine.submit(request, deliver: answer.deliver)
    } catch {
      messages.removeLast()
      let isLong = if case GenerationError.tooLong? = error as? GenerationError { true } else { false }
      Output.note("hoof: \(error)\(isLong ? "; the message was taken back, and /clear makes room" : "")".onOneLine)
      return
    }
    _ = Interrupt.take()
    while try engine.step() {
      clock.note(engine.load)
      let text = answer.takeText()
      if !text.isEmpty { try Output.write(Output.isTerminal ? text.forTerminal : text) }
      if Interrupt.take() { engine.cancel(ticket) }
    }
    try finish(answer, clock, limit: limit)
  }

  private mutating func finish(_ answer: CollectedAnswer, _ clock: WritingClock, limit: Int) throws {
    guard let end = answer.end else { throw CommandError("the answer did not end", at: writer.source.path) }
    if !answer.text.hasSuffix("\n") { try Output.write("\n") }
    if case .failed(let reason) = end.reason { throw CommandError(reason, at: writer.source.path) }
    if end.reason == .cancelled, answer.text.isEmpty {
      messages.removeLast()
      Output.note("(stopped; the message was taken back)")
      return
    }
    // The template decides about blanks around an answer where it is written down; an empty one would break the turns.
    messages.append(.init(role: "assistant", content: answer.text))
    if end.reason == .length, end.usage.promptTokens + end.usage.answerTokens >= engine.contextLength {
      Output.note("(the context of \(engine.contextLength) tokens is full; /clear makes room)")
    }
    if arguments.has("verbose") { Output.note("hoof: \(clock.summary(end, context: engine.contextLength, limit: limit))") }
    if isTyped, Output.isTerminal { try Output.write("\n") }
  }
}
