import JSON
import TensorCore

/// A model as transformers saves it: config.json, weights in one or several .safetensors files, tokenizer.json.
enum HuggingFaceFolder {
  static func open(_ folder: String) throws(FormatError) -> ModelSource {
    func path(_ name: String) -> String { folder.hasSuffix("/") ? folder + name : folder + "/" + name }
    func optional(_ name: String, limit: Int = Limits.jsonBytes) throws(FormatError) -> [UInt8]? {
      fileExists(path(name)) ? try readFile(path(name), limit: limit) : nil
    }
    func optionalFields(_ name: String) throws(FormatError) -> Fields? {
      try optional(name).map { bytes throws(FormatError) in try Fields(path: path(name), parsing: bytes) }
    }

    let configPath = path("config.json")
    let fields = try Fields(path: configPath, parsing: readFile(configPath, limit: Limits.jsonBytes))
    var config = try HuggingFaceConfig(fields, generation: optionalFields("generation_config.json")).config
    let weights = try Weights(folder: folder, path: path)
    // transformers leaves lm_head out of a file whose head is tied, whatever the flag says.
    if !weights.contains(TensorName.head) { config.tiedEmbeddings = true }
    let tensors = try weights.tensors(of: config)
    return ModelSource(
      path: folder, config: config, tensors: tensors, tokenizer: try optional("tokenizer.json", limit: Limits.tokenizerBytes),
      chatTemplate: try chatTemplate(settings: optionalFields("tokenizer_config.json"), file: path("chat_template.jinja")), history: [],
      originalLayers: Array(0..<config.layers.count))
  }

  /// The chat template of the tokenizer's settings in `folder`.
  static func chatTemplate(in folder: String) throws(FormatError) -> String? {
    let settings = folder + "/tokenizer_config.json"
    let fields = fileExists(settings) ? try Fields(path: settings, parsing: readFile(settings, limit: Limits.jsonBytes)) : nil
    return try chatTemplate(settings: fields, file: folder + "/chat_template.jinja")
  }

  /// chat_template.jinja wins over tokenizer_config.json, as in transformers. A list of named templates means its "default".
  private static func chatTemplate(settings: Fields?, file: String) throws(FormatError) -> String? {
    if fileExists(file) {
      guard let text = String(validating: try readFile(file, limit: Limits.jsonBytes), as: UTF8.self) else {
        throw FormatError(file, nil, "is not UTF-8")
      }
      return text
    }
    guard let settings, let value = settings["chat_template"] else { return nil }
    if let text = value.string { return text }
    guard let named = value.array else { throw settings.error("chat_template", "must be a string or a list of named templates") }
    let match = named.first { $0["name"]?.string == "default" } ?? named.first
    guard let text = match?["template"]?.string else { throw settings.error("chat_template", "has no default template") }
    return text
  }

  /// The .safetensors files of a folder, and which of them holds each tensor.
  private struct Weights {
    var files: [String: (file: MappedFile, header: SafetensorsHeader)] = [:]
    /// The file that holds each tensor.
    var places: [String: String] = [:]
    /// What says so: the index, or the only file.
    let origin: String

    func contains(_ name: String) -> Bool { places[name] != nil }

    init(folder: String, path: (String) -> String) throws(FormatError) {
      let (single, index) = ("model.safetensors", "model.safetensors.index.json")
      if fileExists(path(single)) {
        origin = path(single)
        try open(single, at: origin)
        for name in files[single]!.header.entries.keys { places[name] = single }
        return
      }
      origin = path(index)
      guard fileExists(origin) else {
        throw FormatError(folder, nil, "has neither \(single) nor \(index); other weight formats are not read")
      }
      let fields = try Fields(path: origin, parsing: readFile(origin, limit: Limits.jsonBytes))
      places = try ShardIndex(fields).places
      for shard in Set(places.values).sorted() {
        guard fileExists(path(shard)) else { throw FormatError(origin, "weight_map", "the file \(shard) is missing from the folder") }
        try open(shard, at: path(shard))
      }
    }

    private mutating func open(_ name: String, at path: String) throws(FormatError) {
      let file = try MappedFile(path: path)
      files[name] = (file, try SafetensorsHeader(parsing: file.bytes, path: path))
    }

    func tensors(of config: LlamaConfig) throws(FormatError) -> [String: StoredTensor] {
      var tensors: [String: StoredTensor] = [:]
      for (name, shape) in config.tensorShapes {
        guard let place = places[name], let (file, header) = files[place] else { throw FormatError(origin, name, "the tensor is missing") }
        guard let entry = header.entries[name] else {
          throw FormatError(file.path, name, "the index says the tensor is in this file, but it is not")
        }
        let tensor = try entry.stored(in: file)
        guard tensor.shape == shape else {
          throw FormatError(
            file.path, name, "has shape \(entry.dimensions); the config asks for \(shape.rows == 1 ? "[\(shape.columns)]" : "\(shape)")")
        }
        tensors[name] = tensor
        // A bias that is silently left out would give a model that runs and is wrong.
        let bias = name.dropLast("weight".count) + "bias"
        if places[String(bias)] != nil { throw FormatError(origin, String(bias), "biases are not supported") }
      }
      return tensors
    }
  }
}

/// model.safetensors.index.json: which file of the folder holds each tensor.
struct ShardIndex {
  let places: [String: String]

  init(_ fields: Fields) throws(FormatError) {
    guard let map = try fields.fields("weight_map") else { throw fields.error("weight_map", "is missing") }
    var places: [String: String] = [:]
    for (tensor, value) in map.object.members {
      guard let file = value.string else { throw map.error(tensor, "must be a file name") }
      // A path could lead out of the folder.
      guard !file.isEmpty, file != ".", file != "..", !file.utf8.contains(UInt8(ascii: "/")), !file.utf8.contains(0) else {
        throw map.error(tensor, "'\(file)' is not a plain file name of this folder")
      }
      places[tensor] = file
    }
    self.places = places
  }
}
