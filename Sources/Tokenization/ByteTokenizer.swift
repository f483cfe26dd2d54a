import JSON

/// A tokenizer without merges, for models whose weights are made up: ids 0 to 255 are the bytes, 256 begins a text.
public enum ByteTokenizer {
  /// A tokenizer.json in the byte-level form of Llama 3.
  public static let json: JSON = {
    var vocabulary = JSON.Object()
    for (byte, scalar) in ByteLevelAlphabet.scalars.enumerated() { vocabulary[String(scalar)] = .int(byte) }
    return [
      "version": "1.0",
      "added_tokens": [
        [
          "id": 256, "content": "<|begin_of_text|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
          "special": true,
        ]
      ],
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
      "post_processor": [
        "type": "TemplateProcessing",
        "single": [["SpecialToken": ["id": "<|begin_of_text|>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]]],
        "special_tokens": [
          "<|begin_of_text|>": ["id": "<|begin_of_text|>", "ids": [256], "tokens": ["<|begin_of_text|>"]]
        ],
      ],
      "decoder": ["type": "ByteLevel"], "model": ["type": "BPE", "vocab": .object(vocabulary), "merges": []],
    ]
  }()
}
