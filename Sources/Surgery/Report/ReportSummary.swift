import Pages

/// What the numbers say, in sentences.
struct ReportSummary {
  let data: ReportData

  func html() -> String { Markup.summary([layers, critical, safe, drop, parts, heads, neurons, proxies].compactMap(\.self)) }

  private var layers: String? {
    let ranked = data.layers.filter { $0.kl?.isFinite == true }.sorted { ($0.kl!, $0.index) > ($1.kl!, $1.index) }
    guard let most = ranked.first, let least = ranked.last, ranked.count > 1 else { return nil }
    return "Layer \(most.index) matters most: without it the predictions move by \(effect(most)). "
      + "Layer \(least.index) matters least: \(effect(least))."
  }

  private func effect(_ layer: ReportData.Layer) -> String {
    var text = "KL \(NumberText.significant(layer.kl)) nats"
    if let base = data.baselinePerplexity, let now = layer.perplexity {
      text += ", perplexity \(NumberText.significant(base)) → \(NumberText.significant(now))"
    }
    if let agreement = layer.agreement { text += ", same top token at \(NumberText.percent(agreement)) of positions" }
    return text
  }

  private var critical: String? {
    guard let layers = data.critical?.layers, !layers.isEmpty else { return nil }
    if layers.count == data.layers.count { return "Every layer is critical: none of them can be removed alone." }
    return
      "Never remove \(ReportData.layers(layers)), outlined in the figure: the model falls apart without \(layers.count == 1 ? "it" : "any of them")."
  }

  private var safe: String? {
    guard let safe = data.safe, !safe.layers.isEmpty, let increase = safe.increase else { return nil }
    let change = "\(increase < 0 ? "−" : "+")\(NumberText.percent(abs(increase)))"
    return "Safe to remove\(safe.layers.count > 1 ? " together" : ""): \(ReportData.layers(safe.layers)); perplexity \(change), measured."
  }

  private var drop: String? {
    guard !data.suggestedDrop.isEmpty else { return nil }
    let list = data.suggestedDrop.map(String.init).joined(separator: ", ")
    let total = data.layers.count
    return
      "Suggested to drop: layer\(data.suggestedDrop.count == 1 ? "" : "s") \(list)\(total > 0 ? " (\(data.suggestedDrop.count) of \(total))" : ""), marked red in the figures."
  }

  private var parts: String? {
    let both = data.parts.compactMap { part in part.attention.flatMap { attention in part.mlp.map { (part.layer, attention, $0) } } }
    guard !both.isEmpty else { return nil }
    let attentionWins = both.filter { $0.1 > $0.2 }.count
    return "Attention matters more than the MLP in \(attentionWins) of \(both.count) layers."
  }

  private var heads: String? {
    guard let most = data.heads.max(by: { $0.kl < $1.kl }), data.heads.count > 1 else { return nil }
    let idle = data.heads.filter { $0.kl < 0.001 }.count
    return "The head that matters most is head \(most.column) of layer \(most.layer) (KL \(NumberText.significant(most.kl)) nats); "
      + "\(idle) of \(data.heads.count) heads move the predictions by less than 0.001 nats."
  }

  private var neurons: String? {
    let all = data.neurons.flatMap(\.meanAbsolute)
    guard !all.isEmpty else { return nil }
    let quiet = all.filter { $0 < NeuronSection.threshold }.count
    return
      "\(NumberText.grouped(quiet)) of \(NumberText.grouped(all.count)) MLP neurons (\(NumberText.percent(Double(quiet) / Double(all.count)))) "
      + "have a mean activation below \(NumberText.tick(NeuronSection.threshold))."
  }

  private var proxies: String? {
    let rated = data.correlations.compactMap { name, value in value.spearman.map { (name, $0) } }.sorted { ($0.1, $1.0) > ($1.1, $0.0) }
    guard let best = rated.first, data.layers.count > 2 else { return nil }
    let figure = NumberText.fixed(best.1, 2)
    let names = rated.filter { NumberText.fixed($0.1, 2) == figure }.map { ReportData.title($0.0).lowercased() }
    return
      "Of the cheap scores, \(names.joined(separator: " and ")) rank\(names.count == 1 ? "s" : "") the layers most like the measurement (Spearman \(figure))."
  }
}
