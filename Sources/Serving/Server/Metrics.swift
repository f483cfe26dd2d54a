import Generation
import Glibc

/// What /metrics tells. Touched by the loop's thread alone.
final class Metrics {
  private struct Asked: Hashable {
    let path: String
    let status: Int
  }

  private struct OfModel {
    var promptTokens = 0
    var answerTokens = 0
    var finished: [String: Int] = [:]
    var firstToken = Histogram(Metrics.firstTokenBounds)
    var between = Histogram(Metrics.betweenBounds)
    var whole = Histogram(Metrics.wholeBounds)
  }

  private let version: String
  private let started = Clock.wall
  private var asked: [Asked: Int] = [:]
  private var models: [String: OfModel] = [:]
  /// Answers that go out as they are made.
  var streams = 0
  var connections = 0

  private static let firstTokenBounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
  private static let betweenBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
  private static let wholeBounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

  init(version: String) { self.version = version }

  var startSeconds: Int { Int(started) }

  /// A request that was answered. `path` is one of the server's own, or "other": clients do not choose how many series there are.
  func count(_ path: String, _ status: Int) { asked[Asked(path: path, status: status), default: 0] += 1 }

  /// An answer that ended.
  /// - Parameter firstToken: seconds from the request to the first text; nil when there was none.
  func count(_ model: String, _ reason: FinishReason, _ usage: Usage, seconds: Double, firstToken: Double?) {
    var entry = models[model] ?? OfModel()
    entry.promptTokens += usage.promptTokens
    entry.answerTokens += usage.answerTokens
    entry.finished[Self.word(reason), default: 0] += 1
    entry.whole.add(seconds)
    if let firstToken {
      entry.firstToken.add(firstToken)
      if usage.answerTokens > 1 { entry.between.add((seconds - firstToken) / Double(usage.answerTokens - 1)) }
    }
    models[model] = entry
  }

  private static func word(_ reason: FinishReason) -> String {
    switch reason {
    case .stop: "stop"
    case .length: "length"
    case .cancelled: "cancelled"
    case .failed: "failed"
    }
  }

  func text(of served: [ServedModel]) -> String {
    var out = PrometheusText()
    out.begin("hoof_requests_total", "counter", "Requests by path and status")
    for (key, count) in asked.sorted(by: { ($0.key.path, $0.key.status) < ($1.key.path, $1.key.status) }) {
      out.sample("hoof_requests_total", [("path", key.path), ("status", "\(key.status)")], Double(count))
    }
    out.begin("hoof_connections", "gauge", "Open connections")
    out.sample("hoof_connections", [], Double(connections))
    out.begin("hoof_streams_active", "gauge", "Answers that go out as they are made")
    out.sample("hoof_streams_active", [], Double(streams))
    let entries = served.map { ($0.id, models[$0.id] ?? OfModel()) }
    counter(&out, "hoof_prompt_tokens_total", "Tokens of prompts, found in the cache or not", entries) { $0.promptTokens }
    counter(&out, "hoof_answer_tokens_total", "Tokens of answers that ended", entries) { $0.answerTokens }
    out.begin("hoof_answers_total", "counter", "Answers by how they ended")
    for (id, entry) in entries {
      for (word, count) in entry.finished.sorted(by: { $0.key < $1.key }) {
        out.sample("hoof_answers_total", [("model", id), ("reason", word)], Double(count))
      }
    }
    histogram(&out, "hoof_first_token_seconds", "From a request to its first text", entries) { $0.firstToken }
    histogram(&out, "hoof_next_token_seconds", "Between tokens, mean of an answer", entries) { $0.between }
    histogram(&out, "hoof_answer_seconds", "From a request to the end of its answer", entries) { $0.whole }
    let measures = served.map { ($0.id, $0.engine.measures) }
    for (index, measure) in (measures.first?.1 ?? []).enumerated() {
      out.begin(measure.name, measure.kind.rawValue, measure.help)
      for (id, list) in measures { out.sample(measure.name, [("model", id)], list[index].value) }
    }
    out.begin("hoof_info", "gauge", "The program")
    out.sample("hoof_info", [("version", version)], 1)
    out.begin("process_start_time_seconds", "gauge", "When the program was started, since 1970")
    out.sample("process_start_time_seconds", [], started.rounded())
    out.begin("process_resident_memory_bytes", "gauge", "Memory in use, pages of mapped model files among it")
    out.sample("process_resident_memory_bytes", [], Double(Self.residentBytes() ?? 0))
    return out.text
  }

  private func counter(
    _ out: inout PrometheusText, _ name: String, _ help: String, _ entries: [(String, OfModel)], _ value: (OfModel) -> Int
  ) {
    out.begin(name, "counter", help)
    for (id, entry) in entries { out.sample(name, [("model", id)], Double(value(entry))) }
  }

  private func histogram(
    _ out: inout PrometheusText, _ name: String, _ help: String, _ entries: [(String, OfModel)], _ value: (OfModel) -> Histogram
  ) {
    out.begin(name, "histogram", help)
    for (id, entry) in entries { out.histogram(name, [("model", id)], value(entry)) }
  }

  /// Of this process, as the kernel counts it.
  private static func residentBytes() -> Int? {
    let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 128)
    let count = read(descriptor, &bytes, bytes.count)
    let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
    return words.count > 1 ? Int(words[1]).map { $0 * sysconf(Int32(_SC_PAGESIZE)) } : nil
  }
}
