import Generation
import JSON

/// Probabilities of tokens in the words of the two endpoints.
enum TokenText {
  /// JSON has no minus infinity: OpenAI's API has this for what cannot happen.
  private static func number(_ logprob: Float?) -> JSON {
    guard let logprob, !logprob.isNaN else { return nil }
    // The shortest decimal that reads back as this float.
    return .double(Swift.max(Double("\(logprob)") ?? Double(logprob), -9999))
  }

  private static func chatToken(_ bytes: [UInt8], _ logprob: Float?) -> JSON.Object {
    [
      "token": .string(String(decoding: bytes, as: UTF8.self)), "logprob": number(logprob),
      "bytes": .array(bytes.map { .int(Int($0)) }),
    ]
  }

  /// `logprobs` of a chat completion's choice.
  static func chat(_ tokens: [GeneratedToken]) -> JSON {
    let content = tokens.map { token in
      var entry = chatToken(token.bytes, token.logprob)
      entry["top_logprobs"] = .array(token.alternatives.map { .object(chatToken($0.bytes, $0.logprob)) })
      return JSON.object(entry)
    }
    return ["content": .array(content), "refusal": nil]
  }

  /// A token that is not whole characters is shown as its bytes.
  static func completionToken(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    return "bytes:" + bytes.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// `logprobs` of a completion's choice.
  /// - Parameters:
  ///   - likeliest: how many were asked for.
  ///   - offset: characters of the answer in front of the tokens; moved behind them.
  static func completion(_ tokens: [GeneratedToken], likeliest: Int, offset: inout Int) -> JSON {
    var (offsets, names, values, tops): ([JSON], [JSON], [JSON], [JSON]) = ([], [], [], [])
    for token in tokens {
      offsets.append(.int(offset))
      offset += String(decoding: token.bytes, as: UTF8.self).unicodeScalars.count
      names.append(.string(completionToken(token.bytes)))
      values.append(number(token.logprob))
      var top = JSON.Object()
      for entry in token.alternatives { top[completionToken(entry.bytes)] = number(entry.logprob) }
      top[completionToken(token.bytes)] = number(token.logprob)
      tops.append(.object(top))
    }
    return [
      "tokens": .array(names), "token_logprobs": .array(values), "top_logprobs": likeliest == 0 ? nil : .array(tops),
      "text_offset": .array(offsets),
    ]
  }
}
