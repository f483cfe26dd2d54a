import Formats
import Terminal

/// The model of a run: one that is trained further, or a new one.
struct FinetuneSubject {
  let source: ModelSource
  /// What its tensors are before the first step.
  let plan: ModelImport
  /// Of everything that determines them.
  let identity: String
  let isNew: Bool

  init(_ arguments: Arguments) throws {
    if let config = arguments.string("init") {
      do throws(FormatError) {
        let model = try UntrainedModel(configPath: config, tokenizerPath: arguments.string("tokenizer")!)
        plan = try model.plan(seed: UInt64(arguments.int("seed") ?? 0))
        (source, identity, isNew) = (model.source, model.identity, true)
      } catch {
        throw CommandError(error.description)
      }
      return
    }
    source = try Models.open(arguments.first("MODEL")!)
    do throws(FormatError) {
      try source.checkFinite()
      plan = try ModelImport(source)
    } catch {
      throw CommandError(error.description)
    }
    (identity, isNew) = (source.fingerprint(), false)
  }

  /// Files that a run reads for it.
  static func paths(_ arguments: Arguments) -> [String] {
    [arguments.first("MODEL"), arguments.string("init"), arguments.string("tokenizer")].compactMap(\.self)
  }

  /// Refuses what leaves open which model is meant.
  static func check(_ arguments: Arguments) throws(UsageError) {
    let hasModel = arguments.first("MODEL") != nil
    guard arguments.has("init") else {
      if !hasModel {
        throw FinetuneOptions.refuse("MODEL is missing: a .hoof file or Hugging Face folder, or --init CONFIG.json for a new model")
      }
      if arguments.has("tokenizer") { throw FinetuneOptions.refuse("--tokenizer goes with --init; a model has its own") }
      return
    }
    if hasModel { throw FinetuneOptions.refuse("--init begins a new model, and '\(arguments.first("MODEL")!)' is one") }
    if !arguments.has("tokenizer") { throw FinetuneOptions.refuse("a new model needs --tokenizer FILE, a tokenizer.json") }
  }
}
