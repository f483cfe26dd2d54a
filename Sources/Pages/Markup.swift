/// HTML and SVG text. Every string from a report passes through `escaped`.
package enum Markup {
  package static func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      case "'": out += "&#39;"
      // Control characters are not allowed in HTML, and the bidirectional ones could make a name read as something else.
      case "\u{0}"..<" ", "\u{7F}"..."\u{9F}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": out += "\u{FFFD}"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }

  /// A data table; the first column is the row's heading. `marked` rows are emphasised.
  package static func table(caption: String, head: [String], rows: [[String]], marked: Set<Int> = []) -> String {
    var out =
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"\(escaped(caption))\"><table><caption>\(escaped(caption))</caption><thead><tr>"
    for cell in head { out += "<th scope=\"col\">\(escaped(cell))</th>" }
    out += "</tr></thead><tbody>"
    for (index, row) in rows.enumerated() {
      out += marked.contains(index) ? "<tr class=\"marked\">" : "<tr>"
      for (column, cell) in row.enumerated() {
        out += column == 0 ? "<th scope=\"row\">\(escaped(cell))</th>" : "<td>\(escaped(cell))</td>"
      }
      out += "</tr>"
    }
    return out + "</tbody></table></div>"
  }

  /// A table behind a disclosure: the alternative to a figure for who cannot see it.
  package static func folded(_ label: String, _ content: String) -> String {
    "<details><summary>\(escaped(label))</summary>\(content)</details>"
  }

  /// A whole page: no script, no font, no picture from elsewhere. `facts` without a value are left out; `style` comes behind `PageStyle`.
  package static func page(
    title: String, note: String, facts: [(String, String?)], style: String = "", main: String, footer: String
  ) -> String {
    let known = facts.compactMap { label, value in value.flatMap { $0.isEmpty ? nil : (label, $0) } }
    let list = known.map { "<div><dt>\(escaped($0.0))</dt><dd>\(escaped($0.1))</dd></div>" }.joined()
    return """
      <!doctype html>
      <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(title))</title>
      <style>
      \(PageStyle.css)\(style.isEmpty ? "" : "\n" + style)
      </style></head><body>
      \(PageStyle.patterns)
      <header><h1>\(escaped(title))</h1>
      <p class="note">\(escaped(note))</p>
      \(known.isEmpty ? "" : "<dl>\(list)</dl>")</header>
      <main>
      \(main)</main>
      <footer>\(escaped(footer))</footer>
      </body></html>

      """
  }

  /// A file's or folder's own name; "a model" where there is none.
  package static func modelName(_ path: String?) -> String { path?.split(separator: "/").last.map(String.init) ?? "a model" }

  /// What the numbers of a page say, in sentences.
  package static func summary(_ sentences: [String]) -> String {
    sentences.isEmpty ? "" : "<ul class=\"summary\">" + sentences.map { "<li>\(escaped($0))</li>" }.joined() + "</ul>"
  }

  package static func section(_ id: String, _ title: String, note: String, _ content: String) -> String {
    """
    <section aria-labelledby="\(id)"><h2 id="\(id)">\(escaped(title))</h2><p class="note">\(escaped(note))</p>
    \(content)
    </section>

    """
  }
}

/// A drawing in pixels at natural size; it shrinks with its column, never grows.
package struct Drawing {
  package let width: Double, height: Double
  package let label: String
  package private(set) var body = ""

  package init(width: Double, height: Double, label: String) {
    self.width = width
    self.height = height
    self.label = label
  }

  package mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
    body += "<line class=\"\(style)\" x1=\"\(x1.px)\" y1=\"\(y1.px)\" x2=\"\(x2.px)\" y2=\"\(y2.px)\"/>"
  }
  package mutating func rect(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String, title: String? = nil) {
    let open = "<rect class=\"\(style)\" x=\"\(x.px)\" y=\"\(y.px)\" width=\"\(max(0, width).px)\" height=\"\(max(0, height).px)\""
    body += title.map { "\(open)><title>\(Markup.escaped($0))</title></rect>" } ?? "\(open)/>"
  }
  package mutating func circle(_ x: Double, _ y: Double, _ radius: Double, _ style: String, title: String) {
    body += "<circle class=\"\(style)\" cx=\"\(x.px)\" cy=\"\(y.px)\" r=\"\(radius.px)\"><title>\(Markup.escaped(title))</title></circle>"
  }
  package mutating func text(_ content: String, _ x: Double, _ y: Double, _ style: String = "", anchor: String = "start") {
    let position = anchor == "start" ? "" : " text-anchor=\"\(anchor)\""
    body += "<text class=\"\(style)\" x=\"\(x.px)\" y=\"\(y.px)\"\(position)>\(Markup.escaped(content))</text>"
  }
  package mutating func path(_ data: String, _ style: String, title: String? = nil) {
    body +=
      title.map { "<path class=\"\(style)\" d=\"\(data)\"><title>\(Markup.escaped($0))</title></path>" }
      ?? "<path class=\"\(style)\" d=\"\(data)\"/>"
  }

  /// `fixed` keeps the natural size, for drawings that scroll instead of shrinking.
  package func svg(fixed: Bool = false) -> String {
    let style = fixed ? " class=\"fixed\"" : ""
    return "<svg\(style) role=\"img\" aria-label=\"\(Markup.escaped(label))\" viewBox=\"0 0 \(width.px) \(height.px)\" "
      + "width=\"\(width.px)\" height=\"\(height.px)\">\(body)</svg>"
  }
}

extension Double {
  /// A coordinate with one decimal.
  package var px: String {
    let text = NumberText.fixed(self.isFinite ? self : 0, 1)
    return (text.hasSuffix(".0") ? String(text.dropLast(2)) : text).replacingMinus
  }
}

extension String {
  fileprivate var replacingMinus: String { hasPrefix("−") ? "-" + dropFirst() : self }
}
