import Evaluation

extension ExactMatchRules {
  /// `exact_match` of lm-evaluation-harness: whether both texts are one when what does not matter is taken out of them.
  /// - Throws: where a regular expression had to be given up.
  func agree(_ answer: String, _ reference: String) throws(TextPattern.Refusal) -> Bool {
    try reduced(answer).utf8.elementsEqual(reduced(reference).utf8)
  }

  private func reduced(_ text: String) throws(TextPattern.Refusal) -> String {
    var text = text
    for pattern in ignored { text = try pattern.replacing(in: text, with: "") }
    if ignoresCase { text = PythonText.lowered(text) }
    if ignoresPunctuation { text.unicodeScalars.removeAll(where: ExactMatchRules.isPunctuation) }
    if ignoresNumbers { text.unicodeScalars.removeAll { ("0"..."9").contains($0) } }
    return text
  }

  /// Python's `string.punctuation`.
  private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "!"..."/", ":"..."@", "["..."`", "{"..."~": true
    default: false
    }
  }
}
