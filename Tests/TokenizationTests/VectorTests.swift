import JSON
import Testing
import TestSupport
import Tokenization

@Suite("Vectors of published tokenizers", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct VectorTests {
  static let vectorFiles = [
    ("tokenizers/llama3-128k", "vectors.json", 76), ("tokenizers/llama2-32k", "vectors.json", 79),
    ("models/talespin-15m", "tokenizer_vectors.json", 28), ("models/stories260K", "tokenizer_vectors.json", 27),
  ]

  @Test("every vector's ids, ids with template and decoded text are reproduced", arguments: vectorFiles)
  func vectors(folder: String, name: String, least: Int) throws {
    let tokenizer = try SharedTokenizers.open(folder)
    let rows = try #require(try SharedData.json("\(folder)/\(name)").array)
    #expect(rows.count >= least)
    for row in rows {
      let text = try #require(row["text"]?.string)
      let ids = try #require(row["ids"]?.ids)
      #expect(tokenizer.encode(text, template: false) == ids, "\(text.debugDescription)")
      if let special = row["ids_with_special"]?.ids { #expect(tokenizer.encode(text) == special, "\(text.debugDescription)") }
      if let decoded = row["decoded"]?.string { #expect(tokenizer.decode(ids) == decoded, "\(text.debugDescription)") }
    }
  }

  @Test("the reference study's prompt ids are reproduced", arguments: ["stories260K", "talespin-15m", "talespin-tiny"])
  func promptIDs(model: String) throws {
    let tokenizer = try SharedTokenizers.open("models/\(model)")
    let prompts = try #require(try SharedData.json("data/prompts.json").array).compactMap(\.string)
    let expected = try #require(try SharedData.json("reference/\(model)/ablation.json")["prompt_ids"]?.array).map(\.ids)
    #expect(prompts.count == 32 && expected.count == 32)
    for (prompt, ids) in zip(prompts, expected) { #expect(Array(tokenizer.encode(prompt).prefix(64)) == ids) }
  }

  @Test(
    "the reference logits' ids are reproduced", arguments: ["stories260K", "stories260K-bf16-sharded", "talespin-15m", "talespin-tiny"])
  func logitIDs(model: String) throws {
    let tokenizer = try SharedTokenizers.open("models/\(model)")
    let rows = try #require(try SharedData.json("reference/\(model)/logits.json")["rows"]?.array)
    #expect(rows.count == 8)
    for row in rows {
      let text = try #require(row["prompt"]?.string)
      #expect(tokenizer.encode(text) == row["ids"]?.ids)
    }
  }
}
