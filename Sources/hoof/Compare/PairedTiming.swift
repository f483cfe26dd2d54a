import Surgery
import TensorCore
import TensorTesting
import Transformer

/// Times models in turns: every round runs each of them once, so that what slows the machine for a while slows all alike.
struct PairedTiming {
  struct Plan {
    /// Rounds that do not count, and rounds that do.
    var warmUp: Int, runs: Int
    var promptTokens: Int
    /// Of the prompt, what written tokens stand behind.
    var prefixTokens: Int
    var writtenTokens: Int

    var rounds: Int { warmUp + runs }
  }

  private let plan: Plan
  private var passes: [GenerationPasses]

  /// All models have one vocabulary, and read the same made-up prompt.
  init(_ models: [Llama], plan: Plan, seed: Int) throws(BackendError) {
    self.plan = plan
    let prompt = GenerationPasses.tokens(plan.promptTokens, of: models[0].config.vocabularySize, seed: UInt64(seed))
    var passes: [GenerationPasses] = []
    for model in models {
      passes.append(try GenerationPasses(model, prompts: [prompt], prefix: plan.prefixTokens, steps: plan.writtenTokens))
    }
    self.passes = passes
  }

  /// - Parameter progress: called after each model's turn; what it throws ends the work.
  mutating func run(progress: (_ round: Int) throws -> Void) throws -> [(prefill: Throughput, decode: Throughput)] {
    var seconds = Array(repeating: (prefill: [Double](), decode: [Double]()), count: passes.count)
    for round in 0..<plan.rounds {
      for index in passes.indices {
        let backend = passes[index].model.backend
        let prefill = try OpBenchmark.seconds(on: backend) { () throws(BackendError) in try passes[index].prefill() }
        let decode = try OpBenchmark.seconds(on: backend) { () throws(BackendError) in try passes[index].decode() }
        if round >= plan.warmUp {
          seconds[index].prefill.append(prefill)
          seconds[index].decode.append(decode)
        }
        try progress(round)
      }
    }
    return seconds.map {
      (Throughput(tokens: plan.promptTokens, seconds: $0.prefill), Throughput(tokens: plan.writtenTokens, seconds: $0.decode))
    }
  }
}
