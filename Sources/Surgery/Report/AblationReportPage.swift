import JSON
import Pages

/// An ablation report as one HTML page that needs nothing but itself: no script, no font, no picture from elsewhere.
public enum AblationReportPage {
  /// `report`: the JSON of `hoof ablate -o`. Absent sections are left out of the page.
  public static func html(_ report: JSON) -> String {
    let data = ReportData(report)
    var main = ReportSummary(data: data).html()
    if data.critical != nil || data.safe != nil { main += CriticalSection(data: data).html() }
    if !data.layers.isEmpty { main += layerSection(data) }
    if !data.parts.isEmpty { main += partSection(data) }
    if !data.heads.isEmpty { main += mapSection("heads", "Heads", "head", data.heads) }
    if !data.groups.isEmpty { main += mapSection("kv-groups", "Key-value groups", "group", data.groups) }
    if !data.proxies.isEmpty { main += proxySection(data) }
    if !data.neurons.isEmpty { main += NeuronSection(layers: data.neurons).html() }
    if !data.layers.isEmpty { main += tableSection(data) }
    return Markup.page(
      title: "Ablation study of \(Markup.modelName(report["model"]?["path"]?.string))",
      note: "What each part of the model does to its predictions: a part is taken out, and the change is measured.", facts: facts(report),
      main: main,
      footer: "KL is the mean over scored positions of KL(full model ‖ model without the part), in nats. Indices count from 0.")
  }

  private static func facts(_ report: JSON) -> [(String, String?)] {
    let (model, calibration, baseline) = (report["model"], report["calibration"], report["baseline"])
    func count(_ value: JSON?) -> String? { value?.int.map(NumberText.grouped) }
    let heads = count(model?["heads"]).map { heads in count(model?["kv_heads"]).map { "\(heads) (\($0) key-value)" } ?? heads }
    let sizes = Set((model?["intermediate_sizes"]?.array ?? []).compactMap(\.int)).sorted()
    let mlp = sizes.count > 1 ? "\(NumberText.grouped(sizes[0]))–\(NumberText.grouped(sizes.last!))" : sizes.first.map(NumberText.grouped)
    let limit = count(calibration?["max_tokens"]).map { ", at most \($0) each" } ?? ""
    return [
      ("Model", model?["path"]?.string), ("Layers", count(model?["layers"])), ("Heads", heads),
      ("Width", count(model?["hidden_size"])), ("MLP width", mlp), ("Calibration", calibration?["path"]?.string),
      ("Prompts", count(calibration?["prompts"])), ("Tokens", count(calibration?["tokens"]).map { $0 + limit }),
      ("Baseline perplexity", baseline?["perplexity"]?.double.map { NumberText.significant($0, 4) }),
      ("Baseline cross-entropy", baseline?["cross_entropy"]?.double.map { NumberText.significant($0, 4) + " nats" }),
      ("Backend", report["backend"]?.string), ("Time", report["seconds"]?.double.map(NumberText.seconds)),
    ]
  }

  private static func layerSection(_ data: ReportData) -> String {
    let cut = Set(data.suggestedDrop)
    let critical = Set(data.critical?.layers ?? [])
    let reach = data.layers.compactMap { layer in layer.kl.map { $0 + (layer.error ?? 0) } } + data.layers.compactMap(\.kl)
    let kl = BarPanel(
      title: "KL", unit: "nats",
      rows: data.layers.map { layer in
        let isCut = cut.contains(layer.index)
        let error = layer.error.map { " ± \(NumberText.significant($0, 2))" } ?? ""
        let bar = BarPanel.Bar(
          value: layer.kl, error: layer.error, style: isCut ? "kl cut" : critical.contains(layer.index) ? "kl stays" : "kl",
          title: "layer \(layer.index): KL \(NumberText.significant(layer.kl))\(error) nats")
        return BarPanel.Row(label: "\(layer.index)", bars: [bar], isMarked: isCut)
      }, width: data.proxies.isEmpty ? 460 : 430, axis: Axis(reach), showsValues: true)
    let proxies = data.proxies.map { name in
      let values = data.layers.map { $0.proxies[name] }
      return BarPanel(
        title: ReportData.title(name), unit: "",
        rows: zip(data.layers, values).map { layer, value in
          let isCut = cut.contains(layer.index)
          let bar = BarPanel.Bar(
            value: value, style: isCut ? "proxy cut" : "proxy",
            title: "layer \(layer.index): \(ReportData.title(name).lowercased()) \(NumberText.significant(value))")
          return BarPanel.Row(label: "\(layer.index)", bars: [bar], isMarked: isCut)
        }, width: 178, axis: Axis(values.compactMap(\.self), ticks: 2)
      ).svg()
    }
    var note = "How far the predictions move when a layer passes its input on unchanged."
    if data.layers.contains(where: { $0.error != nil }) { note += " Whiskers: ± one standard error." }
    if !proxies.isEmpty { note += " Beside it, the cheap scores of the same layers, each on its own scale." }
    let legend = [("kl cut", "suggested to drop", !cut.isEmpty), ("kl stays", "must stay", !critical.isEmpty)].filter(\.2)
    let items = legend.map { "<li>\(swatch($0.0))\($0.1)</li>" }.joined()
    let marks = items.isEmpty ? "" : "<ul class=\"legend\">\(items)</ul>"
    let panels = "<div class=\"panels\">\(kl.svg())<div class=\"proxies\">\(proxies.joined())</div></div>"
    return Markup.section("layers", "Layers", note: note, marks + panels)
  }

  private static func partSection(_ data: ReportData) -> String {
    let panel = BarPanel(
      title: "KL", unit: "nats",
      rows: data.parts.map { part in
        BarPanel.Row(
          label: "\(part.layer)",
          bars: [
            BarPanel.Bar(
              value: part.attention, style: "attention",
              title: "layer \(part.layer), attention: KL \(NumberText.significant(part.attention)) nats"),
            BarPanel.Bar(value: part.mlp, style: "mlp", title: "layer \(part.layer), MLP: KL \(NumberText.significant(part.mlp)) nats"),
          ])
      }, width: 460, axis: Axis(data.parts.flatMap { [$0.attention, $0.mlp].compactMap(\.self) }))
    let legend = "<ul class=\"legend\"><li>\(swatch("attention"))attention</li><li>\(swatch("mlp"))MLP</li></ul>"
    let rows = data.parts.map { ["\($0.layer)", NumberText.significant($0.attention), NumberText.significant($0.mlp)] }
    return Markup.section(
      "sublayers", "Attention and MLP", note: "The two halves of each layer, one taken out at a time.",
      legend + panel.svg() + Markup.folded("Numbers", Markup.table(caption: "KL, nats", head: ["layer", "attention", "MLP"], rows: rows)))
  }

  private static func mapSection(_ id: String, _ title: String, _ column: String, _ cells: [ReportData.Cell]) -> String {
    let map = HeatMap(name: title, columnName: column, cells: cells)
    let note =
      column == "head"
      ? "One attention head taken out at a time: its slice of the input of the output projection is zeroed."
      : "All query heads that share one key-value head taken out together."
    return Markup.section(id, title, note: note, map.html() + Markup.folded("Numbers", map.table()))
  }

  private static func proxySection(_ data: ReportData) -> String {
    let plots = data.proxies.map { Scatter(proxy: $0, layers: data.layers, correlation: data.correlations[$0]).svg() }
    let rows = data.proxies.map { name in
      let correlation = data.correlations[name]
      return [ReportData.title(name)] + [correlation?.spearman, correlation?.kendall].map { NumberText.significant($0, 3) }
    }
    return Markup.section(
      "proxies", "Do cheap scores predict the measurement?",
      note:
        "Each point is a layer, labelled with its index where there is room. A score that ranks the layers as the measured KL does would climb from left to right.",
      "<div class=\"panels scatters\">\(plots.joined())</div>"
        + Markup.folded(
          "Rank correlations", Markup.table(caption: "Rank correlation with KL", head: ["score", "Spearman", "Kendall"], rows: rows)))
  }

  private static func tableSection(_ data: ReportData) -> String {
    let hasSeconds = data.layers.contains { $0.seconds != nil }
    let head = ["layer", "KL, nats", "± s.e.", "perplexity", "same top token"] + data.proxies.map { ReportData.title($0).lowercased() }
    let rows = data.layers.map { layer in
      var row = ["\(layer.index)", NumberText.significant(layer.kl, 4), NumberText.significant(layer.error, 2)]
      row += [NumberText.significant(layer.perplexity, 4), NumberText.percent(layer.agreement)]
      row += data.proxies.map { NumberText.significant(layer.proxies[$0], 4) }
      return hasSeconds ? row + [NumberText.significant(layer.seconds, 2)] : row
    }
    let cut = Set(data.suggestedDrop)
    let marked = Set(data.layers.indices.filter { cut.contains(data.layers[$0].index) })
    let table = Markup.table(
      caption: "Every layer taken out alone", head: head + (hasSeconds ? ["seconds"] : []), rows: rows, marked: marked)
    return Markup.section(
      "numbers", "All layer numbers", note: marked.isEmpty ? "" : "Layers suggested to drop are red and marked in the figures above.", table
    )
  }

  private static func swatch(_ style: String) -> String {
    "<svg width=\"16\" height=\"11\" aria-hidden=\"true\"><rect class=\"\(style)\" x=\".5\" y=\".5\" width=\"15\" height=\"10\"/></svg>"
  }
}
