import JSON
import TestSupport
import Testing

/// --device, --precision, --cublas and --profile, which every command that computes takes.
struct ComputingOptionTests {
  static let few = ["--max-tokens", "8", "--threads", "1"]

  @Test("what a precision or device cannot be is said in one sentence")
  func refusals() {
    let none = ablate(Example.model, Example.prompts, ["--backend", "cpu", "--precision", "tf32"])
    #expect(none.status == 1 && none.errors.contains("tf32 is a rounding inside a GPU's matrix units"), "\(none.errors)")
    #expect(none.errors.split(separator: "\n").count == 1 && none.output.isEmpty)
    let device = ablate(Example.model, Example.prompts, ["--backend", "cpu", "--device", "1"])
    #expect(device.status == 2 && device.errors.contains("--device chooses among GPUs"), "\(device.errors)")
    for words in [["--precision", "f16"], ["--cublas", "yes"], ["--device", "-1"]] {
      let run = ablate(Example.model, Example.prompts, words)
      #expect(run.status == 2 && run.output.isEmpty, "\(words): \(run.errors)")
    }
  }

  @Test("a driver that is not there is the reason, with --backend cuda and with --device")
  func missingDriver() {
    for words in [["--backend", "cuda"], ["--device", "0"]] {
      let run = Subprocess.hoof(
        ["ablate", Example.model, "--calibration", Example.prompts] + words, environment: ["HOOF_CUDA_DRIVER": "/nowhere/libcuda.so"])
      #expect(run.status == 1 && run.output.isEmpty && run.errors.contains("/nowhere/libcuda.so"), "\(run.errors)")
    }
    let fallback = Subprocess.hoof(
      ["ablate", Example.model, "--calibration", Example.prompts] + Self.few, environment: ["HOOF_CUDA_DRIVER": "/nowhere/libcuda.so"])
    #expect(fallback.status == 0 && fallback.errors.contains("(not cuda: /nowhere/libcuda.so"), "\(fallback.errors)")
  }

  @Test("bf16 on the CPU moves the numbers a little; a journal of f32 is not continued in bf16")
  func precision() throws {
    let plain = try report(Example.model, Example.prompts, Self.few)
    let rounded = try report(Example.model, Example.prompts, Self.few + ["--precision", "bf16"])
    #expect(rounded["backend"]?.string?.contains("bf16") == true)
    let pairs = zip(plain["layers"]!.numbers("kl"), rounded["layers"]!.numbers("kl"))
    #expect(pairs.allSatisfy { abs($0 - $1) < 0.05 * $0 } && pairs.contains { $0 != $1 })
  }

  @Test("--profile changes no number and shows the ops, on standard error and in the report")
  func profile() throws {
    let plain = try report(Example.model, Example.prompts, Self.few)
    let run = ablate(Example.model, Example.prompts, Self.few + ["--json", "--profile"])
    #expect(run.status == 0 && run.errors.contains("| op ") && run.errors.contains("between ops"), "\(run.errors)")
    let profiled = try JSON(parsing: run.output)
    #expect(try comparable(profiled, without: ["seconds", "profile"]) == comparable(plain))
    let ops = try #require(profiled["profile"]?["ops"]?.array)
    #expect(ops.contains { $0["op"]?.string == "attention" } && ops.numbers("seconds") == ops.numbers("seconds").sorted(by: >))
    #expect(ops.contains { $0["op"]?.string?.hasPrefix("linearDivergence") == true })
  }
}

extension Array where Element == JSON {
  fileprivate func numbers(_ key: String) -> [Double] { JSON.array(self).numbers(key) }
}

struct SelftestCommandTests {
  @Test("the CPU computes right in every precision; one line for each group")
  func cpu() throws {
    let words = ["selftest", "--backend", "cpu", "--small", "--filter", "matmul", "--threads", "2", "-q"]
    let run = Subprocess.hoof(words)
    #expect(run.status == 0 && run.errors.isEmpty && run.output.contains("cases agree"), "\(run.output)")
    let reports = try #require(try JSON(parsing: Subprocess.hoof(words + ["--json"]).output).array)
    #expect(reports.map { $0["precision"]?.string } == ["bf16", "f32", "int16"])
    // In int16 only products of quantised weights differ from f32.
    for report in reports { #expect((report["cases"]?.int ?? 0) > 10 && report["failures"]?.int == 0) }
    let names = reports[1]["groups"]?.array?.compactMap { $0["group"]?.string }
    #expect(names == ["Matmul", "gradients"])
  }

  @Test("what cannot be tested is an error")
  func refusals() {
    let words = Subprocess.hoof(["selftest", "--filter", "no such op"])
    #expect(words.status == 2 && words.errors.contains("no case has all the words"))
    let driver = Subprocess.hoof(["selftest", "--backend", "cuda"], environment: ["HOOF_CUDA_DRIVER": "/nowhere/libcuda.so"])
    #expect(driver.status == 1 && driver.errors.contains("/nowhere/libcuda.so") && driver.output.isEmpty)
  }
}

@Suite(.serialized) struct ModelBenchmarkTests {
  @Test("a model's passes are timed on each backend, with rates, the share of a roof and the logits' error")
  func model() throws {
    let words = ["bench", Example.model, "--backend", "cpu", "--threads", "1", "--seconds", "0.001", "-q"]
    let result = try JSON(parsing: Subprocess.hoof(words + ["--json"]).output)
    let rows = try #require(result["model"]?["rows"]?.array)
    #expect(rows.count == 4 && result["rows"] == nil, "only the model is timed")
    for row in rows {
      #expect((row["median_ns"]?.int ?? 0) > 0 && (row["tokens_per_second"]?.double ?? 0) > 0 && (row["share_of_roof"]?.double ?? 0) > 0)
      #expect(row["logits_error"]?.double == 0, "the CPU in f32 is what others are compared with")
    }
    let rounded = Subprocess.hoof(words + ["--precision", "bf16", "--filter", "prefill", "--profile"])
    #expect(rounded.status == 0 && rounded.output.contains("| prefill of a prompt | ") && rounded.output.contains("between ops"))
    #expect(Subprocess.hoof(["bench", "--profile"]).status == 2)
  }
}
