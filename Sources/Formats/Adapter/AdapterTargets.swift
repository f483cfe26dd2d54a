import JSON

/// Which linear layers of a model have an adapter, as PEFT says it in target_modules, exclude_modules and layers_to_transform.
public struct AdapterTargets: Sendable, Equatable {
  enum Modules: Sendable, Equatable {
    case all
    case named([ModuleName])
    /// A regular expression, which is not read: whatever the file has is what it matched.
    case pattern(String)
  }

  var modules: Modules
  var excluded: [ModuleName] = []
  /// nil for all.
  public var layers: [Int]?

  /// Every linear layer.
  public static let all = AdapterTargets(modules: .all)

  /// The parts that can have an adapter, in the order of the forward pass.
  public static let parts: [TensorName.Part] = [.query, .key, .value, .attentionOutput, .gate, .up, .down]

  /// - Parameter layers: nil for all.
  public init(_ parts: Set<TensorName.Part>, layers: [Int]? = nil) {
    precondition(!parts.isEmpty && parts.isSubset(of: AdapterTargets.parts), "adapter: no linear layers: \(parts)")
    modules = .named(AdapterTargets.parts.filter(parts.contains).map { ModuleName(text: $0.moduleName) })
    self.layers = layers
  }

  private init(modules: Modules) { self.modules = modules }

  /// "model.layers.3.self_attn.q_proj"
  static func module(_ part: TensorName.Part, layer: Int) -> String { "model.layers.\(layer).\(part.rawValue)" }

  /// nil where a regular expression says it.
  public func contains(_ part: TensorName.Part, layer: Int) -> Bool? {
    let module = AdapterTargets.module(part, layer: layer)
    if excluded.contains(where: { $0.fits(module) }) || layers?.contains(layer) == false { return false }
    switch modules {
    case .all: return true
    case .named(let names): return names.contains { $0.fits(module) }
    case .pattern: return nil
    }
  }

  init(_ fields: Fields) throws(FormatError) {
    guard let targets = fields["target_modules"] else { throw fields.error("target_modules", "is missing") }
    if let text = targets.string {
      modules = text == "all-linear" ? .all : .pattern(text)
    } else {
      modules = .named(try AdapterTargets.names("target_modules", in: fields))
    }
    if fields["exclude_modules"]?.string != nil {
      throw fields.error("exclude_modules", "is a regular expression; only lists of modules are read")
    }
    if fields["exclude_modules"] != nil { excluded = try AdapterTargets.names("exclude_modules", in: fields) }
    if let layer = fields["layers_to_transform"], layer.array == nil {
      layers = [try fields.requiredInt("layers_to_transform", in: 0...Limits.layers.upperBound)]
    } else if fields["layers_to_transform"] != nil {
      let list = try fields.ints("layers_to_transform", in: 0...Limits.layers.upperBound)
      // PEFT takes an empty list for none at all.
      layers = list.isEmpty ? nil : list
    }
    if let pattern = fields["layers_pattern"] {
      let names = pattern.string.map { [$0] } ?? pattern.array?.map { $0.string ?? "?" } ?? ["?"]
      guard names.allSatisfy({ $0 == "layers" || $0.isEmpty }) else {
        throw fields.error("layers_pattern", "\(pattern.text()) is not supported; a Llama's layers are named 'layers'")
      }
    }
  }

  private static func names(_ key: String, in fields: Fields) throws(FormatError) -> [ModuleName] {
    var names: [ModuleName] = []
    for value in try fields.array(key) ?? [] {
      guard let text = value.string else { throw fields.error(key, "must hold names of modules") }
      names.append(ModuleName(text: text))
    }
    return names
  }

  /// The keys of adapter_config.json that say it.
  var json: JSON.Object {
    func list(_ names: [ModuleName]) -> JSON { .array(names.map { .string($0.text) }) }
    let targets: JSON =
      switch modules {
      case .all: "all-linear"
      case .named(let names): list(names)
      case .pattern(let text): .string(text)
      }
    return [
      "target_modules": targets, "exclude_modules": excluded.isEmpty ? nil : list(excluded),
      "layers_to_transform": layers.map { .array($0.map { .int($0) }) } ?? nil, "layers_pattern": nil,
    ]
  }
}

/// A module by the end of its path, in whole components: "q_proj", "layers.3.self_attn.q_proj"; with "^" by all of it.
struct ModuleName: Sendable, Equatable {
  let text: String

  init(text: String) { self.text = text }

  /// A key of rank_pattern or alpha_pattern, which PEFT takes for a regular expression; those that are plain names mean what they say.
  init(pattern: String, in fields: Fields) throws(FormatError) {
    let name = pattern.utf8.first == UInt8(ascii: "^") ? pattern.utf8.dropFirst() : pattern.utf8[...]
    let isPlain = name.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
      case UInt8(ascii: "_"), UInt8(ascii: "."): true
      default: false
      }
    }
    guard isPlain, !name.isEmpty else { throw fields.error(pattern, "is a regular expression; only names of modules are read") }
    text = pattern
  }

  func fits(_ module: String) -> Bool {
    if text.utf8.first == UInt8(ascii: "^") { return module.utf8.elementsEqual(text.utf8.dropFirst()) }
    return module == text || module.hasSuffix("." + text)
  }
}

extension TensorName.Part {
  /// The last part of the module's path: "q_proj".
  public var moduleName: String { rawValue.split(separator: ".").last.map(String.init) ?? rawValue }
}
