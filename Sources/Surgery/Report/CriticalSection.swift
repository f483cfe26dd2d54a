import Pages

/// What must stay and what can go together, one sentence each with its evidence.
struct CriticalSection {
  let data: ReportData

  /// More sentences than this are folded away.
  private static let most = 8

  func html() -> String {
    var content = ""
    if let critical = data.critical {
      let sentences = critical.parts.map { "\($0.name): \($0.reason)." }
      if sentences.isEmpty {
        content += "<p>No part measured is critical.</p>"
      } else {
        content += "<p>Must stay (\(sentences.count)):</p>" + list(Array(sentences.prefix(CriticalSection.most)))
        let more = Array(sentences.dropFirst(CriticalSection.most))
        if !more.isEmpty { content += Markup.folded("\(more.count) more", list(more)) }
      }
    }
    if let safe = data.safe {
      let title = safe.layers.isEmpty ? "No layer can go" : safe.layers.count == 1 ? "One layer can go" : "These can go together"
      content += "<p>\(Markup.escaped("\(title): \(safe.evidence)."))</p>"
    }
    return Markup.section("critical", "What must stay, what can go", note: note, content)
  }

  private var note: String {
    var note = "Measured on the calibration prompts; other texts may need other parts."
    if let critical = data.critical {
      note += " Critical is a part without which perplexity is at least \(NumberText.significant(critical.factorLimit, 2)) times the full "
      note += "model's or KL at least \(NumberText.significant(critical.divergenceLimit, 2)) nats."
    }
    if data.safe != nil { note += " The safe set grows by the layer of least KL and is measured again after each step." }
    return note
  }

  private func list(_ sentences: [String]) -> String {
    "<ul>" + sentences.map { "<li>\(Markup.escaped($0))</li>" }.joined() + "</ul>"
  }
}
