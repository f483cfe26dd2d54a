import Evaluation
import Formats
import Glibc
import JSON
import Surgery
import TensorCore
import Terminal
import Tokenization
import Training
import Transformer

/// Heals cuts, each from the same start with the same texts in the same order, and keeps them as they would be stored.
struct Healer {
  private let base: ModelSource
  private let model: Llama
  private let options: HealOptions
  private let data: TrainingData?
  /// What patches are fitted on.
  private let prompts: [[Int32]]
  private let budget: Int
  private let seed: Int

  /// Texts that patches are fitted on where no calibration texts are given, and their length.
  private static let patchTexts = 32
  private static let patchTokens = 64

  /// - Parameters:
  ///   - model: `base`, loaded; the teacher.
  ///   - prompts: calibration texts; the first of `data` where there are none.
  ///   - budget: bytes beside the weights.
  init(
    _ options: HealOptions, base: ModelSource, _ model: Llama, data: TrainingData?, prompts: [[Int32]], budget: Int, seed: Int
  ) {
    self.base = base
    self.model = model
    self.options = options
    self.data = data
    self.budget = budget
    self.seed = seed
    let first = data?.examples.prefix(Healer.patchTexts).map { Array($0.ids.prefix(Healer.patchTokens)) } ?? []
    self.prompts = prompts.isEmpty ? first : prompts
  }

  /// What the table says about the texts; nil where nothing is trained.
  var conditions: ComparisonTable.Conditions.HealingData? {
    data.map {
      .init(
        path: $0.path, sha256: $0.sha256, steps: options.steps, batch: options.batch,
        maxTokens: options.maxTokens(context: base.config.contextLength))
    }
  }

  /// Every cut, and behind it the same cut healed in every way that is asked for.
  func heal(_ cuts: [Contender], quiet: Bool) throws -> [Contender] {
    let trainings = options.kinds.count(where: \.isTrained) * cuts.count
    let progress = Progress("healing", total: Double(max(1, trainings * options.steps)), unit: .items("steps"), quiet: quiet)
    defer { progress.finish() }
    var healed: [Contender] = []
    for cut in cuts {
      let source = try cut.source()
      for kind in options.kinds {
        if kind == .none {
          healed.append(cut.unhealed())
        } else if let result = try heal(cut, source, by: kind, progress) {
          healed.append(result)
        }
      }
    }
    return healed
  }

  private func heal(_ cut: Contender, _ source: ModelSource, by kind: Healing.Kind, _ progress: Progress) throws -> Contender? {
    let start = ContinuousClock.now
    var healing = Healing(kind: kind, cut: cut.name)
    var source = source
    if kind.needsPatch {
      guard let patched = try patch(cut, progress) else { return nil }
      guard kind.isTrained else {
        healing.seconds = (ContinuousClock.now - start) / .seconds(1)
        return cut.healed(healing, try Llama(patched, on: model.backend, sharing: model), patched.after)
      }
      source = try ModelSource.temporary(patched)
      guard source.config.hasPatch else {
        progress.note("hoof: \(cut.name): no patch helps on the calibration texts, so there is none to train")
        return nil
      }
    }
    let plan: ModelImport
    (plan, healing.trained) = try train(source, kind, cut.name, progress)
    // Read from the trained tensors, which go when it is loaded.
    let healed = try Llama(plan, on: model.backend)
    (healing.steps, healing.rate) = (options.steps, options.rate(kind))
    healing.seconds = (ContinuousClock.now - start) / .seconds(1)
    return cut.healed(healing, healed, plan.after)
  }

  /// The cut with patches; nil where it has no place for one.
  private func patch(_ cut: Contender, _ progress: Progress) throws -> ModelImport? {
    guard let plan = cut.cuts(of: base), plan.width == nil, !LinearPatch.places(of: plan, in: base.config).isEmpty else {
      progress.note("hoof: \(cut.name) cannot be patched: patches stand where layers of \(base.path) went")
      return nil
    }
    let study = StudyPlan(
      lengths: prompts.map(\.count), config: base.config, components: base.config.layers.count, budget: budget, on: model.backend)
    func fit(_ kind: CutPlan.Patch.Kind) throws -> CutPlan {
      try LinearPatch.fit(base: model, source: base, plan: plan, kind: kind, prompts: prompts, studyPlan: study) { _, _ in
        try Interrupt.check(saved: CompareRun.nothingWritten)
      }.plan
    }
    let fitted: CutPlan
    do { fitted = try fit(.linear) } catch PatchError.noHadamardMatrix { fitted = try fit(.diag) }
    return try fitted.model(of: base, base: model, method: "patch", prompts: prompts)
  }

  /// The trained model as it would be stored, and how many of its parameters were trained.
  private func train(
    _ source: ModelSource, _ kind: Healing.Kind, _ name: String, _ progress: Progress
  ) throws -> (ModelImport, trained: Int) {
    guard let data else { preconditionFailure("healing: no texts to train on") }
    let trainee = try trainee(source, kind)
    let schedule = Schedule(
      .cosine, peak: options.rate(kind), warmUp: Int((Healer.warmUp * Double(options.steps)).rounded()), steps: options.steps)
    let rows = options.batch * options.maxTokens(context: source.config.contextLength)
    let trainer = try Trainer(
      trainee, on: data.examples, TrainingPlan(schedule: schedule, batch: .examples(options.batch), seed: UInt64(seed)),
      distillation: kind.hasTeacher ? Distillation(Teacher(model)) : nil,
      memory: StepMemory(source.config, checkpoints: nil, rows: rows, budget: budget, on: model.backend),
      note: { progress.note("hoof: \($0)") })
    while !trainer.isDone {
      let report: StepReport
      do { report = try trainer.step() } catch let error as TrainingError {
        throw CommandError("\(name), \(kind.rawValue): \(error)", advice: "try a lower --heal-lr \(kind.rawValue):RATE")
      }
      progress.advance(
        by: 1, label: "\(name), \(kind.rawValue): step \(report.step) of \(options.steps), loss \(report.smoothedLoss.fixed(3))")
      try Interrupt.check(saved: CompareRun.nothingWritten)
    }
    let history: JSON = ["method": .string("heal-\(kind.rawValue)"), "data": .string(data.sha256), "steps": .int(options.steps)]
    guard let adapter = trainee.adapter else {
      return (ModelImport(source, retrained: .init(rows: trainee.rows, history: history)), trainee.trainedCount)
    }
    return (try ModelImport(source, merging: AdapterFile.temporary(adapter, for: source), told: history), trainee.trainedCount)
  }

  private func trainee(_ source: ModelSource, _ kind: Healing.Kind) throws -> Trainee {
    let (backend, shared) = (model.backend, SharedTensors(base, model))
    let plan = try ModelImport(source)
    if kind == .lora {
      let frozen = try Llama(plan, on: backend, owning: { _ in nil }, sharing: shared)
      return Trainee(frozen, adapter: try Adapter(for: frozen, options: .init(), seed: UInt64(seed)))
    }
    let parts = TrainedParts(scope: kind == .tunedPatch ? .patches : .all)
    return try Trainee(plan, training: parts.names(of: .init(source)), sharing: shared, on: backend)
  }

  /// Share of the steps in which the learning rate rises, as `hoof finetune` has it.
  private static let warmUp = 0.03
}

extension LlamaConfig {
  fileprivate var hasPatch: Bool { finalPatch != nil || layers.contains { $0.patch != nil } }
}

extension AdapterFile {
  /// The adapter as files that have no names any more.
  fileprivate static func temporary(_ adapter: Adapter, for source: ModelSource) throws -> AdapterFile {
    let folder = TemporaryPlace.path("adapter")
    defer {
      for name in ["adapter_model.safetensors", "adapter_config.json"] { unlink("\(folder)/\(name)") }
      rmdir(folder)
    }
    try adapter.write(to: folder, for: source, replacing: true)
    return try AdapterFile.open(folder, for: source.config)
  }
}
