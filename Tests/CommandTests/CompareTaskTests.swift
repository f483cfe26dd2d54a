import JSON
import TestSupport
import Testing

/// `hoof compare --tasks` as a user runs it.
struct CompareTaskTests {
  @Test("every task or group is a column: scores, flips against the base, and a sentence on what was lost")
  func columns() throws {
    let folder = try TemporaryFolder()
    let words = ["a moon", "a ship", "a tree"]
    try folder.write(
      "plain.jsonl",
      (0..<9).map {
        JSON.object(["context": .string("There was \(words[$0 % 3]) and"), "choices": ["it", "they all"], "label": .int($0 % 2)]).text()
          + "\n"
      }.joined())
    let common = [
      "compare", Example.model, "--strategies", "middle", "--drop", "3", "--data", Example.prompts, "--windows", "2", "--window", "64",
      "--runs", "1",
      "--warmup", "0", "--prompt-tokens", "16", "--gen-tokens", "4", "--tasks", "plain,arithmetic_ladder", "--limit", "5", "-q",
    ]
    let run = Subprocess.hoof(common + ["--task-data", folder.path, "-o", folder.file("table.json"), "--html", folder.file("page.html")])
    #expect(run.status == 0, "\(run.errors)")
    for text in [
      "plain", "arithmetic_ladder", "questions lost and won against the base", "no evidence of harm in arithmetic_ladder and plain",
    ] {
      #expect(run.output.contains(text), "\(text): \(run.output)")
    }
    let rows = try #require(try JSON(parsing: folder.read("table.json"))["rows"]?.array)
    for (index, row) in rows.enumerated() {
      let tasks = try #require(row["tasks"]?.array)
      #expect(
        tasks.map { $0["task"]?.string } == ["arithmetic_ladder", "plain"]
          || tasks.map { $0["task"]?.string } == ["plain", "arithmetic_ladder"])
      #expect(tasks.allSatisfy { $0["value"]?.double != nil && ($0["lost"]?.int != nil) == (index > 0) })
    }
    #expect(String(decoding: try folder.read("page.html"), as: UTF8.self).contains("arithmetic_ladder"))
    let csv = Subprocess.hoof(common + ["--task-data", folder.path, "--format", "csv"])
    #expect(csv.output.split(separator: "\n").first?.contains("plain,plain_lost,plain_won,plain_p") == true)
    let nowhere = Subprocess.hoof(common)
    #expect(nowhere.status == 2 && nowhere.errors.contains("--task-data DIR is missing") || nowhere.errors.contains("no task 'plain'"))
    let alone = Subprocess.hoof(["compare", Example.model, Example.model, "--data", Example.prompts, "--limit", "5"])
    #expect(alone.status == 2 && alone.errors.contains("--limit goes with --tasks"))
  }
}
