import JSON

/// A tokenizer without merges, for models whose weights are made up: ids 0 to 255 are the bytes.
public enum ByteTokenizer {
  /// A tokenizer.json in the byte-level form of Llama 3. `bos` becomes the token <|begin_of_text|>, put in front of every text; it must be
  /// above 255.
  public static func json(bos: Int?) -> JSON {
    precondition(bos.map { $0 > 255 } ?? true, "byte tokenizer: the begin token \(bos ?? 0) is the id of a byte")
    var vocabulary = JSON.Object()
    for (byte, scalar) in ByteLevelAlphabet.scalars.enumerated() { vocabulary[String(scalar)] = .int(byte) }
    var root: JSON.Object = [
      "version": "1.0", "added_tokens": [],
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
      "decoder": ["type": "ByteLevel"], "model": ["type": "BPE", "vocab": .object(vocabulary), "merges": []],
    ]
    if let bos {
      let name = JSON.string("<|begin_of_text|>")
      root["added_tokens"] = [
        ["id": .int(bos), "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true]
      ]
      root["post_processor"] = [
        "type": "TemplateProcessing",
        "single": [["SpecialToken": ["id": name, "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]]],
        "special_tokens": .object(["<|begin_of_text|>": ["id": name, "ids": [.int(bos)], "tokens": [name]]]),
      ]
    }
    return .object(root)
  }
}
