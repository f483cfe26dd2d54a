import Evaluation
import Formats
import TestSupport
import Testing
import Tokenization

struct CorpusTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The message of the error that reading `text` throws.
  private func refusal(_ name: String, _ text: [UInt8]) throws -> String {
    do {
      _ = try Corpus(path: try folder.write(name, text))
      return "read without an error"
    } catch { return "\(error)" }
  }

  private func plain(_ name: String, _ text: String) throws -> [String?] {
    try Corpus(path: try folder.write(name, text)).texts.map { if case .plain(let text) = $0 { text } else { nil } }
  }

  @Test(
    "a .txt file is one text per line, whatever ends the lines",
    arguments: [
      ("one\ntwo\n", ["one", "two"]), ("one\ntwo", ["one", "two"]), ("one\r\ntwo\r\n", ["one", "two"]),
      ("\n\n one \n \t\n\r\ntwo", [" one ", "two"]),
      ("\u{FEFF}one\ntwo\n", ["one", "two"]), ("a\rb\n", ["a\rb"]), ("é\u{2028}ü\n", ["é\u{2028}ü"]),
    ])
  func lines(text: String, expected: [String]) throws {
    #expect(try plain("a.txt", text) == expected)
    #expect(try plain("A.TXT", text) == expected)
  }

  @Test("a .json file is an array of strings, empty ones too, after a byte order mark too")
  func array() throws {
    #expect(try plain("a.json", #"["one", "", "t\nw\u00f6"]"#) == ["one", "", "t\nwö"])
    #expect(try plain("a.json", "\u{FEFF}[\"one\"]\r\n") == ["one"])
  }

  @Test("a .jsonl file has an object per line: text, prompt and completion, instruction, messages")
  func objects() throws {
    let lines = [
      #"{"text": "one", "prompt": "not this"}"#, "", #"{"prompt": "2+2="}"#, #"{"prompt": "2+2=", "completion": " 4"}"#,
      #"{"prompt": "", "completion": null}"#, #"{"instruction": "Add.", "input": "2 2", "output": "4"}"#,
      #"{"instruction": "Sing.", "input": "", "output": "La"}"#, #"{"messages": [{"role": "user", "content": "Hi"}]}"#,
    ]
    for ending in ["\n", "\r\n"] {
      for last in ["", ending] {
        let corpus = try Corpus(path: try folder.write("a.jsonl", "\u{FEFF}" + lines.joined(separator: ending) + last))
        // The published prompt of Stanford Alpaca, with and without an input.
        let alpaca =
          "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that "
          + "appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n2 2\n\n### Response:\n"
        let short =
          "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
          + "### Instruction:\nSing.\n\n### Response:\n"
        let expected: [CorpusText] = [
          .plain("one"), .prompted(.init(prompt: "2+2=", answer: nil)), .prompted(.init(prompt: "2+2=", answer: " 4")),
          .prompted(.init(prompt: "", answer: nil)), .prompted(.init(prompt: alpaca, answer: "4", request: "Add.\n\n2 2")),
          .prompted(.init(prompt: short, answer: "La", request: "Sing.")), .messages([.init(role: "user", content: "Hi")]),
        ]
        #expect(corpus.texts == expected)
        #expect(corpus.places == [1, 3, 4, 5, 6, 7, 8].map { "line \($0)" })
      }
    }
  }

  @Test("the fingerprint is of the whole file")
  func fingerprint() throws {
    // sha256sum of "abc".
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(try Corpus(path: try folder.write("a.txt", "abc")).sha256 == expected)
    #expect(try Corpus(path: try folder.write("a.txt", "\u{FEFF}abc")).sha256 != expected)
  }

  @Test(
    "what is no text is refused by line and reason",
    arguments: [
      ("a.txt", "", "a.txt: is empty"), ("a.txt", " \r\n\t\n", "a.txt: there is no text"), ("a.txt", "\u{FEFF}", "a.txt: there is no text"),
      ("a.json", "[]", "a.json: there is no text"), ("a.json", "{}", "a.json: expected a JSON array"),
      ("a.json", "[1]", "a.json: element 0: expected"),
      ("a.json", #"["a", null]"#, "a.json: element 1: expected"), ("a.json", #"["a""#, "a.json: "),
      ("a.jsonl", "\n\n", "a.jsonl: there is no text"),
      ("a.jsonl", "{\"text\": \"a\"}\n{\"text\": ", "a.jsonl: line 2: "), ("a.jsonl", "\n[1]", "a.jsonl: line 2: expected an object"),
      ("a.jsonl", "{}", "a.jsonl: line 1: expected an object"), ("a.jsonl", #"{"text": 5}"#, "a.jsonl: line 1: text is not a string"),
      ("a.jsonl", #"{"prompt": "a", "completion": 5}"#, "a.jsonl: line 1: completion is not"),
      ("a.jsonl", #"{"messages": []}"#, "a.jsonl: line 1: messages is empty"),
      ("a.jsonl", #"{"messages": [{"role": "user"}]}"#, "a.jsonl: line 1: messages is not"),
      ("a.jsonl", #"{"messages": "Hi"}"#, "a.jsonl: line 1: messages is not"), ("a.csv", "one", "a.csv: texts come as"),
      ("text", "one", "text: texts come as"),
    ])
  func refusals(name: String, text: String, reason: String) throws {
    let message = try refusal(name, Array(text.utf8))
    #expect(message.contains("/" + reason), "\(message)")
  }

  @Test("bytes that are not UTF-8 are refused by line", arguments: ["a.txt", "a.jsonl"])
  func encoding(name: String) throws {
    #expect(try refusal(name, Array("{\"text\":\"a\"}\n\r\n".utf8) + [0x62, 0xff]).hasSuffix("/\(name): line 3: not valid UTF-8"))
    // UTF-16 with its byte order mark.
    #expect(try refusal(name, [0xff, 0xfe, 0x61, 0]).hasSuffix("/\(name): line 1: not valid UTF-8"))
    #expect(try refusal("a.json", [0x5b, 0x22, 0xff, 0x22, 0x5d]).contains("/a.json: "))
  }
}
