import JSON
import TestSupport
import Testing

/// `hoof eval --tasks` with the emulator's GPU beside the CPU.
@Suite(.enabled(if: EmulatorLibrary.isHere, Comment(rawValue: EmulatorLibrary.absent)))
struct EmulatedTaskTests {
  @Test("a GPU scores as the CPU does: choices that share a question, single tokens, last words, a cut beside its base, written sums")
  func scores() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      "moral.jsonl",
      (0..<6).map { index in
        let row: JSON = [
          "context": .string("Once upon a time there was a dragon number \(index). One day it"),
          "choices": ["met a friend.", "saw the sea and was glad.", "the of and.", "sang"], "label": .int(index % 3),
        ]
        return row.text() + "\n"
      }.joined())
    let cut = folder.file("cut.hoof")
    try #require(Subprocess.hoof(["create", Example.model, "--drop-layers", "1", "-o", cut, "-q"]).status == 0)
    let words = ["eval", cut, "--tasks", "moral,arithmetic_ladder_1", "--limit", "4", "--against", Example.model]
    func results(_ run: Subprocess) throws -> JSON {
      #expect(run.status == 0, "\(run.errors)")
      return try JSON(parsing: run.output)
    }
    let common = ["--data", folder.path, "--no-cache", "--json", "-q", "--precision", "f32", "--samples"]
    let gpu = try EmulatedGPU()
    let there = try results(gpu.hoof(words + ["--backend", "cuda"] + common + [folder.file("there.jsonl")]))
    let here = try results(Subprocess.hoof(words + ["--backend", "cpu"] + common + [folder.file("here.jsonl")]))
    #expect(there.text().contains("cuda:0") && !here.text().contains("cuda:0"))
    for model in ["cut.hoof", "talespin-tiny"] {
      let (own, other) = (there["models"]?[model]?["results"], here["models"]?[model]?["results"])
      for (task, metric) in [("moral", "acc,none"), ("arithmetic_ladder_1", "exact_match,none")] {
        let value = try #require(own?[task]?[metric]?.double)
        #expect(value == other?[task]?[metric]?.double, "\(model), \(task)")
      }
    }
    func likelihoods(_ name: String) throws -> [Double] {
      try String(decoding: folder.read(name), as: UTF8.self).split(separator: "\n").flatMap { line in
        try JSON(parsing: String(line))["resps"]?.array?.compactMap { $0.array?.first?.array?.first?.string.flatMap(Double.init) } ?? []
      }
    }
    let (these, those) = (try likelihoods("there.jsonl"), try likelihoods("here.jsonl"))
    #expect(these.count == 2 * 4 * 4 && these.count == those.count)
    // Sums of single precision in other orders.
    for (a, b) in zip(these, those) { #expect(abs(a - b) < 1e-4 * max(1, abs(b)), "\(a) and \(b)") }
  }
}
