import Formats
import Glibc
import JSON
import Terminal
import Tokenization

extension Command {
  static let tokenize = Command(
    spec: CommandSpec(
      "tokenize", summary: "ids and pieces of a text, or the text of ids",
      details: "Without TEXT, standard input is read. With --json it is a JSON array of texts (with --decode: of id arrays),\n"
        + "and the answer a JSON array in the same order.",
      positionals: [
        Positional("MODEL_OR_FOLDER", help: "a model, or a folder with a tokenizer.json"),
        Positional("TEXT", .optional, help: "what to tokenize; with --decode, ids such as '1 450 22'"),
      ],
      options: [
        CommandOption("no-bos", help: "leave out the token that begins a text"),
        CommandOption("decode", help: "ids to text"), .json,
      ],
      exclusive: [["no-bos", "decode"]],
      examples: [
        .init("hoof tokenize base.hoof 'Once upon a time'", "one line per token: id and piece"),
        .init("echo '[\"one\", \"two\"]' | hoof tokenize base.hoof --json", "[[1,532],[1,610]]"),
      ]),
    run: { arguments in
      let work = Tokenizing(
        tokenizer: try Tokenizing.tokenizer(at: arguments.first("MODEL_OR_FOLDER")!), keepsBegin: !arguments.has("no-bos"))
      switch (arguments.has("json"), arguments.has("decode")) {
      case (false, false): try Output.write(work.listing(of: try Tokenizing.input(arguments)))
      case (false, true): try Output.line(try work.text(of: try Tokenizing.input(arguments)))
      case (true, let decodes): try Output.line(try work.batch(try Tokenizing.input(arguments), decodes: decodes).text())
      }
    })
}

private struct Tokenizing {
  let tokenizer: Tokenizer
  let keepsBegin: Bool

  /// Of a model, or of a folder that has a tokenizer.json and nothing else.
  static func tokenizer(at path: String) throws(CommandError) -> Tokenizer {
    let file = "\(path)/tokenizer.json"
    if access(file, F_OK) == 0, access("\(path)/config.json", F_OK) != 0 {
      return try Models.read(try Input.file(file), at: path)
    }
    guard let tokenizer = try Models.tokenizer(of: try Models.open(path)) else {
      throw CommandError("\(path): tokenizer.json: the model has no tokenizer")
    }
    return tokenizer
  }

  static func input(_ arguments: Arguments) throws(CommandError) -> [UInt8] {
    if let text = arguments.first("TEXT") { return Array(text.utf8) }
    return try Input.all()
  }

  func encode(_ bytes: [UInt8], _ place: String) throws(CommandError) -> [Int32] {
    do throws(TokenizerError) {
      if keepsBegin { return try tokenizer.encode(utf8: bytes) }
      return try tokenizer.encode(utf8: bytes, template: false) + tokenizer.endTokens
    } catch {
      throw CommandError("\(place): \(error)")
    }
  }

  func listing(of bytes: [UInt8]) throws(CommandError) -> String {
    let ids = try encode(bytes, "the text")
    let width = ids.map { String($0).count }.max() ?? 0
    return ids.map { "\(String($0).padded(to: width, left: true))  \((tokenizer.piece($0) ?? "").onOneLine)\n" }.joined()
  }

  /// Ids separated by blanks or commas, with or without brackets.
  func text(of bytes: [UInt8]) throws(CommandError) -> String {
    let words = bytes.split { [0x20, 0x09, 0x0a, 0x0d, UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "]")].contains($0) }
    var ids: [Int32] = []
    for word in words {
      let text = String(decoding: word, as: UTF8.self)
      guard let id = Int(text) else { throw CommandError("the ids: '\(text.prefix(40))' is not a number") }
      ids.append(try checked(id))
    }
    return tokenizer.decode(ids)
  }

  func batch(_ bytes: [UInt8], decodes: Bool) throws(CommandError) -> JSON {
    let root: JSON
    do throws(JSONError) { root = try JSON(parsing: bytes) } catch { throw CommandError("standard input: \(error)") }
    guard let entries = root.array else { throw CommandError("standard input: expected a JSON array") }
    var answer: [JSON] = []
    for (index, entry) in entries.enumerated() {
      if decodes {
        guard let ids = entry.array else { throw CommandError("standard input: entry \(index): expected an array of ids") }
        answer.append(.string(tokenizer.decode(try ids.map { id throws(CommandError) in try checked(id.int) })))
      } else {
        guard let text = entry.string else { throw CommandError("standard input: entry \(index): expected a text") }
        answer.append(.array(try encode(Array(text.utf8), "entry \(index)").map { .int(Int($0)) }))
      }
    }
    return .array(answer)
  }

  private func checked(_ id: Int?) throws(CommandError) -> Int32 {
    guard let id, id >= 0, id < tokenizer.vocabularySize else {
      throw CommandError("the ids: \(id.map { "\($0)" } ?? "something") is not an id; ids are 0 to \(tokenizer.vocabularySize - 1)")
    }
    return Int32(id)
  }
}
