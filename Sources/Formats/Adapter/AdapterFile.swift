import TensorCore

/// A LoRA adapter as PEFT saves it: a folder with adapter_config.json and adapter_model.safetensors. What can be known without the model it
/// belongs to has been checked when this value exists: each matrix has its other half, and both have the rank that the config says.
public struct AdapterFile: Sendable {
  /// What is added to one weight W [out, in]: scale·B·A.
  public struct Pair: Sendable {
    public let layer: Int
    public let part: TensorName.Part
    /// [r, in]
    public let a: StoredTensor
    /// [out, r]
    public let b: StoredTensor
    public let scale: Double

    /// The weight's name in a model file.
    public var name: String { TensorName.layer(layer, part) }
    public var rank: Int { a.shape.rows }
  }

  /// The folder.
  public let path: String
  public let settings: AdapterSettings
  /// By layer, in the order of the forward pass.
  public let pairs: [Pair]
  /// `ModelSource.identity` of the model it was trained on; nil when the file does not say, as PEFT's do not.
  public let base: String?
  public let weights: MappedFile

  static let configName = "adapter_config.json"
  static let weightsName = "adapter_model.safetensors"
  /// In the weights' metadata, because PEFT warns of keys of adapter_config.json that it does not know, and older ones refuse them.
  static let baseKey = "hoof_base"

  public var parameterCount: Int { pairs.reduce(0) { $0 + $1.a.shape.count + $1.b.shape.count } }

  /// Whether a folder holds an adapter and no model beside it.
  public static func isAdapter(_ folder: String) -> Bool {
    isFolder(folder) && fileExists(file(configName, in: folder)) && !fileExists(file("config.json", in: folder))
  }

  static func file(_ name: String, in folder: String) -> String { folder.hasSuffix("/") ? folder + name : folder + "/" + name }

  public static func open(_ folder: String) throws(FormatError) -> AdapterFile {
    let (config, weights) = (file(configName, in: folder), file(weightsName, in: folder))
    let settings = try AdapterSettings(Fields(path: config, parsing: readFile(config, limit: Limits.jsonBytes)))
    guard fileExists(weights) else {
      let other = fileExists(file("adapter_model.bin", in: folder)) ? "; adapter_model.bin is a Python pickle, which is not read" : ""
      throw FormatError(folder, nil, "has no \(weightsName)\(other)")
    }
    let mapped = try MappedFile(path: weights)
    let header = try SafetensorsHeader(parsing: mapped.bytes, path: weights)
    var pairs: [Pair] = []
    for place in try AdapterLayout(header, settings, path: weights).pairs {
      pairs.append(
        Pair(
          layer: place.layer, part: place.part, a: try place.a.stored(in: mapped), b: try place.b.stored(in: mapped),
          scale: settings.scale(of: place.part, layer: place.layer)))
    }
    return AdapterFile(path: folder, settings: settings, pairs: pairs, base: header.metadata[baseKey], weights: mapped)
  }

  /// Opens an adapter for a model of `config`, which may have been cut.
  public static func open(_ folder: String, for config: LlamaConfig) throws(FormatError) -> AdapterFile {
    let file = try open(folder)
    try file.check(fits: config)
    return file
  }

  /// - Throws: for the first pair that has no weight in the model or one of another shape, and for a weight that should have a pair and has
  ///   none.
  public func check(fits config: LlamaConfig) throws(FormatError) {
    for pair in pairs {
      guard pair.layer < config.layers.count else {
        throw misfit(pair.a, "the model has no layer \(pair.layer), only \(config.layers.count) from 0 on")
      }
      guard let shape = config.shape(of: pair.part, in: config.layers[pair.layer]) else {
        let sublayer = [.gate, .up, .down].contains(pair.part) ? "MLP" : "attention"
        throw misfit(pair.a, "the \(sublayer) of the model's layer \(pair.layer) was cut")
      }
      for (tensor, wanted) in [(pair.a, Shape(pair.rank, shape.columns)), (pair.b, Shape(shape.rows, pair.rank))]
      where tensor.shape != wanted {
        throw misfit(tensor, "has shape \(tensor.shape); \(pair.name) of the model, \(shape), asks for \(wanted)")
      }
    }
    let names = Set(pairs.map(\.name))
    for (index, layer) in config.layers.enumerated() {
      for part in AdapterTargets.parts
      where config.shape(of: part, in: layer) != nil && settings.targets.contains(part, layer: index) == true {
        guard names.contains(TensorName.layer(index, part)) else {
          let name = AdapterTensorName(layer: index, part: part, side: .a).text
          throw FormatError(weights.path, name, "is missing, though target_modules names it; base and adapter do not fit")
        }
      }
    }
  }

  private func misfit(_ tensor: StoredTensor, _ reason: String) -> FormatError {
    FormatError(weights.path, tensor.name, "\(reason); base and adapter do not fit")
  }

  /// - Throws: when the adapter says that it was trained on another model than `source`, of the same shape.
  public func check(isFor source: ModelSource) throws(FormatError) {
    guard let base, base != source.identity() else { return }
    throw FormatError(
      path, nil, "was trained on another model (fingerprint \(base.prefix(12))…) than \(source.path) (\(source.identity().prefix(12))…)")
  }

  /// Of the weights' file, in hexadecimal.
  public func sha256() -> String {
    var hash = SHA256()
    hash.update(weights.bytes)
    return hash.hexDigest()
  }

  /// A matrix of a pair as floats.
  /// - Throws: for NaN and infinity.
  public func values(of tensor: StoredTensor) throws(FormatError) -> [Float] {
    guard RowCodec.isFinite(tensor.bytes, tensor.dtype) else {
      throw FormatError(weights.path, tensor.name, "holds NaN or infinite values")
    }
    return (0..<tensor.shape.rows).flatMap { tensor.floats(row: $0) }
  }
}

extension ModelSource {
  /// Fingerprint of the model as far as its weights are the same but for their types: that of the source it was converted from, or its own.
  public func identity() -> String { origin ?? fingerprint() }

  /// Whether it is a folder as transformers saves it, not a .hoof file.
  public var isHuggingFaceFolder: Bool { isFolder(path) }
}

/// Where an adapter's matrices lie in their file.
struct AdapterLayout {
  struct Pair {
    let layer: Int
    let part: TensorName.Part
    let a: SafetensorsHeader.Entry, b: SafetensorsHeader.Entry
  }

  /// By layer, in the order of the forward pass.
  let pairs: [Pair]

  init(_ header: SafetensorsHeader, _ settings: AdapterSettings, path: String) throws(FormatError) {
    var places: [AdapterTensorName: SafetensorsHeader.Entry] = [:]
    // Sorted, so that of several mistakes the same one is told.
    for entry in header.entries.values.sorted(by: { $0.name < $1.name }) {
      let name = try AdapterTensorName(entry.name, in: path)
      guard places.updateValue(entry, forKey: name) == nil else { throw FormatError(path, entry.name, "is there twice, for two adapters") }
      guard settings.targets.contains(name.part, layer: name.layer) != false else {
        throw FormatError(path, entry.name, "adapter_config.json does not name this module; the two files do not belong together")
      }
    }
    guard !places.isEmpty else { throw FormatError(path, nil, "holds no LoRA matrices") }
    var pairs: [Pair] = []
    for (name, entry) in places {
      let side: AdapterTensorName.Side = name.side == .a ? .b : .a
      guard let other = places[AdapterTensorName(layer: name.layer, part: name.part, side: side)] else {
        throw FormatError(path, entry.name, "its other half, \(side.rawValue), is missing")
      }
      if name.side == .a { pairs.append(Pair(layer: name.layer, part: name.part, a: entry, b: other)) }
    }
    func order(_ pair: Pair) -> (Int, Int) { (pair.layer, AdapterTargets.parts.firstIndex(of: pair.part)!) }
    self.pairs = pairs.sorted { order($0) < order($1) }
    for pair in self.pairs {
      let rank = settings.rank(of: pair.part, layer: pair.layer)
      for (entry, side, index) in [(pair.a, "rows", 0), (pair.b, "columns", 1)] {
        guard entry.dimensions.count == 2, entry.dimensions.allSatisfy({ $0 > 0 }) else {
          throw FormatError(path, entry.name, "has shape \(entry.dimensions); a matrix is expected")
        }
        guard entry.dimensions[index] == rank else {
          throw FormatError(path, entry.name, "has shape \(entry.dimensions); adapter_config.json's rank asks for \(rank) \(side)")
        }
      }
    }
  }
}
