import Evaluation
import Formats
import Surgery
import TensorCore
import Terminal
import Transformer

/// Where the scores of neurons and heads come from: the report, as far as it measured them; else calibration texts, which --calibration
/// names, or the report.
final class CutScores {
  private let source: ModelSource
  private let arguments: Arguments
  private let report: MeasuredReport?
  /// SHA-256 of the texts that something was measured on here.
  private(set) var measuredOn: String?
  private var opened: Opened?

  private struct Opened {
    let model: Llama
    let prompts: [[Int32]]
    let plan: StudyPlan
  }

  init(_ source: ModelSource, _ report: MeasuredReport?, _ arguments: Arguments) {
    (self.source, self.report, self.arguments) = (source, report, arguments)
  }

  func neurons(_ score: NeuronScore) throws -> [[Double]] {
    if !arguments.has("calibration"), let scores = try report?.neurons(score, of: source.config) { return scores }
    let opened = try open(for: "--neuron-score \(score.rawValue)")
    let flops = score.flops(source.config, lengths: opened.prompts.map(\.count))
    return try measure("scoring neurons", flops) {
      try score.measure(opened.model, prompts: opened.prompts, plan: opened.plan, monitor: $0)
    }
  }

  /// - Parameter groups: whether scores of whole groups are wanted, or of single heads.
  func heads(groups: Bool) throws -> HeadScores {
    if !arguments.has("calibration"), let scores = report?.heads(groups: groups, of: source.config) { return scores }
    let opened = try open(for: "--prune-heads")
    let flops = StudyCost(source.config, lengths: opened.prompts.map(\.count)).full
    return try measure("scoring heads", flops) { try HeadScores(opened.model, prompts: opened.prompts, plan: opened.plan, monitor: $0) }
  }

  private func measure<Scores>(_ title: String, _ flops: Double, _ body: (AblationStudy.Monitor) throws -> Scores) throws -> Scores {
    let progress = Progress(title, total: flops, unit: .operations, quiet: arguments.has("quiet"))
    defer { progress.finish() }
    return try body { piece in
      if let note = piece.note { progress.note("hoof: \(note)") }
      progress.advance(by: piece.flops, label: piece.activity)
      try Interrupt.check(saved: "no file was written")
    }
  }

  private func open(for reason: String) throws -> Opened {
    if let opened { return opened }
    if let output = arguments.string("output"), !arguments.has("dry-run") {
      do throws(FormatError) { try OutputFile.check(output, replacing: arguments.has("force")) } catch {
        throw CommandError(error.description)
      }
    }
    let calibration = try calibration(for: reason)
    measuredOn = calibration.sha256
    if !arguments.has("quiet"), calibration.tokens < CutScores.fewTokens {
      Output.note(
        "hoof: \(calibration.path.onOneLine) has only \(calibration.tokens) tokens: scores of few tokens are noisy, "
          + "\(CutScores.fewTokens) and more are usual")
    }
    do throws(FormatError) { try source.checkFinite() } catch { throw CommandError(error.description) }
    let backend = try openBackend(arguments, for: source)
    let plan = StudyPlan(
      lengths: calibration.prompts.map(\.count), config: source.config, components: 1, budget: StudyPlan.budget(on: backend), on: backend)
    let opened = Opened(model: try Llama(source, on: backend), prompts: calibration.prompts, plan: plan)
    self.opened = opened
    return opened
  }

  /// Below this many tokens a neuron that fires once in a hundred has been seen ten times at most.
  private static let fewTokens = 1000

  private func calibration(for reason: String) throws -> Calibration {
    if let path = arguments.string("calibration") {
      return try read(path, maxTokens: arguments.int("max-tokens") ?? 64, bos: !arguments.has("no-bos"))
    }
    let advice = "--calibration FILE names the texts to measure on"
    guard let told = report?.calibration else { throw CommandError("\(reason) needs scores, and nothing has them", advice: advice) }
    guard let file = try? Input.file(told.path) else {
      throw CommandError(
        "\(reason) needs scores: \(report!.path) has none, and the texts it was measured on are not there any more", at: told.path,
        advice: advice)
    }
    guard SHA256.hex(of: file) == told.sha256 else {
      throw CommandError(
        "\(reason) needs scores: \(report!.path) has none, and the texts it was measured on have changed", at: told.path, advice: advice)
    }
    let maxTokens = arguments.int("max-tokens") ?? told.maxTokens
    var calibration = try read(told.path, maxTokens: maxTokens, bos: !arguments.has("no-bos"))
    // The report does not say whether there was a begin token; its count of tokens does.
    if let tokens = told.tokens, maxTokens == told.maxTokens, calibration.tokens != tokens {
      let other = try read(told.path, maxTokens: maxTokens, bos: arguments.has("no-bos"))
      if other.tokens == tokens { calibration = other }
    }
    if !arguments.has("quiet") {
      Output.note("hoof: \(report!.path.onOneLine) has no such scores: measuring them on its texts, \(told.path.onOneLine)")
    }
    return calibration
  }

  private func read(_ path: String, maxTokens: Int, bos: Bool) throws -> Calibration {
    let tokenizer = try Models.requiredTokenizer(of: source)
    return try Calibration(path: path, tokenizer: tokenizer, config: source.config, maxTokens: maxTokens, bos: bos) {
      (messages) throws(FormatError) in try Models.render(messages, for: source, tokenizer)
    }
  }
}
