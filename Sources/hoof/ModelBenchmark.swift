import Formats
import TensorCore
import TensorTesting
import Terminal
import Transformer

/// Times passes of one model on several backends: a prompt read at once, tokens written one by one, a layer of an ablation batch.
struct ModelBenchmark {
  enum Work: CaseIterable {
    case prefill, decode, decodeBatch, ablation
  }

  let source: ModelSource
  let works: [Work]
  /// Tokens that are read at once; fewer where the context is shorter.
  let promptLength: Int
  /// For the repetitions of one piece of work.
  let seconds: Double
  private let isProfiled: Bool

  /// Tokens before the first one that is written.
  private static let prefix = 128
  private static let decodeSteps = 16
  private static let batch = 8
  private static let ablationPrompt = 64
  private static let hostRows = 2048
  /// Logits compared with the CPU's.
  private static let comparedLength = 64

  init(_ source: ModelSource, matching filter: String, promptLength: Int, seconds: Double, profiled: Bool) throws(CommandError) {
    self.source = source
    self.promptLength = promptLength
    self.seconds = seconds
    isProfiled = profiled
    works = Work.allCases.filter { OpBenchmark.matches($0.description, filter) }
    guard source.config.contextLength >= 2 * ModelBenchmark.decodeSteps else {
      throw CommandError("the model's context of \(source.config.contextLength) tokens is too short to time anything", at: source.path)
    }
  }

  func steps(on backends: [OpenedBackend]) -> Int { backends.count * (works.count + 2) }

  /// - Parameters:
  ///   - progress: called before each step.
  ///   - isWanted: asked before each step; after a no, the rest is left out.
  func report(
    on backends: [OpenedBackend], progress: (String) -> Void, while isWanted: () -> Bool
  ) throws(BackendError) -> Report {
    var report = Report(path: source.path, parameters: source.config.parameterCount)
    var expected: [Float]?
    for opened in backends where isWanted() {
      if let objection = ModelFit(source, on: opened.backend).objection { throw .unavailable(reason: objection) }
      progress("\(opened.label): measuring the roofs")
      let peaks = try MachinePeaks.measured(on: opened.backend, seconds: seconds)
      progress("\(opened.label): logits")
      let backend: any ComputeBackend = isProfiled ? ProfilingBackend(opened.backend) : opened.backend
      let model = try Llama(source, on: backend)
      let compared = tokens(min(ModelBenchmark.comparedLength, source.config.contextLength), sequence: 0)
      let logits = try model.logits([compared])[0].floats()
      if expected == nil { expected = opened.isReference ? logits : try reference(compared) }
      let error = ModelBenchmark.error(logits, expected!)
      for work in works where isWanted() {
        progress("\(opened.label): \(work)")
        report.rows.append(try measure(work, model, peaks, opened, error: error))
      }
      if let profiling = backend as? ProfilingBackend { report.profiles.append((opened.label, profiling.profile())) }
    }
    return report
  }

  /// The logits of a CPU in f32, when that is not one of the backends.
  private func reference(_ tokens: [Int32]) throws(BackendError) -> [Float] {
    let cpu = try registry.open("cpu", options: .init(precision: .f32)).backend
    return try Llama(source, on: cpu).logits([tokens])[0].floats()
  }

  /// Root of the mean square error over that of the values.
  private static func error(_ values: [Float], _ expected: [Float]) -> Double {
    var (difference, power) = (0.0, 0.0)
    for (x, r) in zip(values, expected) {
      difference += Double(x - r) * Double(x - r)
      power += Double(r) * Double(r)
    }
    return (difference / max(power, 1e-30)).squareRoot()
  }

  private func tokens(_ count: Int, sequence: UInt64) -> [Int32] {
    GenerationPasses.tokens(count, of: source.config.vocabularySize, seed: 7 + sequence)
  }

  private func measure(
    _ work: Work, _ model: Llama, _ peaks: MachinePeaks, _ opened: OpenedBackend, error: Double
  ) throws(BackendError) -> Report.Row {
    let context = source.config.contextLength
    switch work {
    case .prefill:
      let prompt = tokens(min(promptLength, context), sequence: 1)
      var passes = try GenerationPasses(model, prompts: [prompt], steps: 0)
      let time = try median(on: model.backend) { () throws(BackendError) in try passes.prefill() }
      return row(work, opened, peaks, error, time, tokens: prompt.count, pairs: prompt.count * (prompt.count + 1) / 2, headRows: 1, model)
    case .decode: return try decode(work, model, peaks, opened, error: error, sequences: 1)
    case .decodeBatch: return try decode(work, model, peaks, opened, error: error, sequences: ModelBenchmark.batch)
    case .ablation: return try ablation(model, peaks, opened, error: error)
    }
  }

  private func decode(
    _ work: Work, _ model: Llama, _ peaks: MachinePeaks, _ opened: OpenedBackend, error: Double, sequences: Int
  ) throws(BackendError) -> Report.Row {
    let steps = ModelBenchmark.decodeSteps
    let prefix = min(ModelBenchmark.prefix, source.config.contextLength - steps)
    let prompts = (0..<sequences).map { tokens(prefix, sequence: UInt64($0)) }
    var passes = try GenerationPasses(model, prompts: prompts, steps: steps)
    try passes.prefill()
    let time = try median(on: model.backend) { () throws(BackendError) in try passes.decode() }
    return row(
      work, opened, peaks, error, time / Double(steps), tokens: sequences, pairs: sequences * (prefix + steps / 2), headRows: sequences,
      model)
  }

  /// One layer in the middle on as many rows as a study runs side by side.
  private func ablation(
    _ model: Llama, _ peaks: MachinePeaks, _ opened: OpenedBackend, error: Double
  ) throws(BackendError) -> Report.Row {
    let length = min(ModelBenchmark.ablationPrompt, source.config.contextLength)
    let sequences = max(1, (model.backend.usefulRows ?? ModelBenchmark.hostRows) / length)
    let layout = try PackedLayout(lengths: Array(repeating: length, count: sequences), on: model.backend)
    let ids = try Tensor((0..<sequences).flatMap { tokens(length, sequence: UInt64($0 % 64)) }, on: model.backend)
    let layer = model.layers.count / 2
    let x = try model.embed(ids, in: Eager())
    let time = try median(on: model.backend) { () throws(BackendError) in
      _ = try model.run(x, layout, layers: layer..<layer + 1, in: Eager())
    }
    let pairs = sequences * length * (length + 1) / 2
    return row(.ablation, opened, peaks, error, time, tokens: x.rows, pairs: pairs, headRows: 0, layers: layer..<layer + 1, model)
  }

  /// Median time of some repetitions after a first one.
  private func median(on backend: any ComputeBackend, _ run: () throws(BackendError) -> Void) throws(BackendError) -> Double {
    try run()
    return try OpBenchmark.samples(seconds: seconds, on: backend, run).sorted().middle
  }

  private func row(
    _ work: Work, _ opened: OpenedBackend, _ peaks: MachinePeaks, _ error: Double, _ time: Double, tokens: Int, pairs: Int,
    headRows: Int, layers: Range<Int>? = nil, _ model: Llama
  ) -> Report.Row {
    let layers = model.layers[layers ?? 0..<model.layers.count]
    var (weights, flops, cached) = (0, 0, 0)
    for layer in layers {
      if let attention = layer.attention {
        let matrices = [attention.query, attention.key, attention.value, attention.output]
        weights += matrices.reduce(0) { $0 + $1.byteCount }
        flops += 2 * tokens * matrices.reduce(0) { $0 + $1.shape.count } + 4 * pairs * attention.shape.queryHeads * attention.shape.headDim
        cached += 2 * attention.shape.keyHeads * attention.shape.headDim * model.backend.activations.block.bytes
      }
      if let mlp = layer.mlp {
        let matrices = [mlp.gate, mlp.up, mlp.down]
        weights += matrices.reduce(0) { $0 + $1.byteCount }
        flops += 2 * tokens * matrices.reduce(0) { $0 + $1.shape.count }
      }
    }
    if headRows > 0 {
      weights += model.head.byteCount
      flops += 2 * headRows * model.head.shape.count
    }
    // Of the activations only the cache is counted, and only where each step reads all of it.
    let isDecoding = work == .decode || work == .decodeBatch
    let bytes = weights + (isDecoding ? pairs * cached : 0)
    let bound = peaks.bound(bytes: bytes, flops: flops)
    return Report.Row(
      backend: opened.label, work: work.description, seconds: time, tokens: tokens, bytes: bytes, flops: flops, roof: bound.roof,
      share: bound.seconds / time, error: error)
  }
}

extension ModelBenchmark.Work: CustomStringConvertible {
  var description: String {
    switch self {
    case .prefill: "prefill of a prompt"
    case .decode: "decode, 1 sequence"
    case .decodeBatch: "decode, \(ModelBenchmark.batchSize) sequences"
    case .ablation: "ablation batch, 1 layer"
    }
  }
}

extension ModelBenchmark {
  fileprivate static var batchSize: Int { batch }
}

extension OpenedBackend {
  /// Whether its logits are what the others are compared with.
  fileprivate var isReference: Bool { name == "cpu" && precision == .f32 }
}

extension Array where Element == Double {
  fileprivate var middle: Double { self[count / 2] }
}
