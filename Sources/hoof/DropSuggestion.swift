import Formats
import JSON
import Terminal

/// The layers an ablation report suggests to drop, and what a model's history should say about where they came from.
struct DropSuggestion {
  let layers: [Int]
  let details: JSON.Object

  /// `layers`: how many the model has; a report about another number of them speaks of another model.
  init(reportAt path: String, layers count: Int) throws(CommandError) {
    let bytes = try Input.file(path)
    let report: JSON
    do throws(JSONError) { report = try JSON(parsing: bytes) } catch { throw CommandError("\(path): \(error)") }
    guard report["format"]?.string == "hoof-ablation" else { throw CommandError("\(path): format: not an ablation report of hoof") }
    guard report["version"]?.int == 1 else { throw CommandError("\(path): version: this hoof reads version 1") }
    guard let suggestion = report["suggested_drop"]?.array else {
      throw CommandError("\(path): suggested_drop: is missing", advice: "hoof ablate --suggest-drop K makes one")
    }
    var layers: [Int] = []
    for entry in suggestion {
      guard let layer = entry.int else { throw CommandError("\(path): suggested_drop: holds something that is not a layer's index") }
      layers.append(layer)
    }
    if let measured = report["model"]?["layers"]?.int, measured != count {
      throw CommandError("\(path): model.layers: the report is about a model of \(measured) layers, this one has \(count)")
    }
    self.layers = layers
    var details: JSON.Object = ["report": .string(SHA256.hex(of: bytes))]
    if let fingerprint = report["model"]?["fingerprint"]?.string { details["measured_on"] = .string(fingerprint) }
    if let calibration = report["calibration"]?["sha256"]?.string { details["calibration"] = .string(calibration) }
    self.details = details
  }
}
