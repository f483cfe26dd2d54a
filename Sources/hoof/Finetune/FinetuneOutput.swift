import Formats
import Glibc
import JSON
import Terminal
import Training

/// What a run leaves: a model, or an adapter by itself.
enum FinetuneOutput {
  /// A .hoof file, with the adapter merged where one was trained.
  case model(String)
  /// A Hugging Face folder: a name that ends in a slash, or a folder that is there.
  case folder(String)
  /// A folder that PEFT reads.
  case adapter(String)

  init(_ path: String, _ arguments: Arguments) {
    if path.hasSuffix(".hoof") {
      self = .model(path)
    } else if AdapterRequest.isMade(arguments) {
      // mkdir takes the slash, a check of the name does not.
      self = .adapter(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
    } else {
      self = path.hasSuffix("/") || isFolder(path) ? .folder(path) : .model(path)
    }
  }

  var path: String {
    switch self {
    case .model(let path), .folder(let path), .adapter(let path): path
    }
  }

  /// OUT.hoof → OUT.log.jsonl
  var logPath: String {
    let bare = path.hasSuffix("/") ? String(path.dropLast()) : path
    return (bare.hasSuffix(".hoof") ? String(bare.dropLast(5)) : bare) + ".log.jsonl"
  }

  /// Refuses early what could not be written in the end.
  func check(beside others: [String], inputs: [String], force: Bool) throws(CommandError) {
    switch self {
    case .model(let path): try checkOutputs([path] + others, inputs: inputs, force: force)
    case .folder(let folder):
      try checkOutputs(others, inputs: inputs, force: force)
      if access(folder + "/config.json", F_OK) == 0, !force {
        throw CommandError("a model is there already", at: folder, advice: "--force replaces it")
      }
    case .adapter(let folder):
      // A folder that is not there yet has to be made.
      try checkOutputs(others + (access(folder, F_OK) != 0 ? [folder] : []), inputs: inputs, force: force)
      if AdapterFile.isAdapter(folder), !force {
        throw CommandError("an adapter is there already", at: folder, advice: "--force replaces it")
      }
    }
  }

  /// - Parameter history: the file's own account of the run.
  func write(_ trainee: Trainee, of source: ModelSource, history: JSON, _ arguments: Arguments) throws {
    let matrixType = MatrixType.wanted(arguments)
    switch self {
    case .adapter(let folder):
      do { try trainee.adapter!.write(to: folder, for: source, replacing: arguments.has("force")) } catch let error as FormatError {
        throw CommandError(error.description)
      }
    case .folder(let folder):
      let model = ModelImport(source, matrixType: matrixType, retrained: .init(rows: trainee.rows, history: history))
      do throws(FormatError) {
        try model.write(toFolder: folder, replacing: arguments.has("force")) { _, _ in !Interrupt.isRequested }
      } catch {
        if Interrupt.isRequested { throw Interrupted(saved: "the model was not written") }
        throw CommandError(error.description)
      }
    case .model(let path):
      guard let adapter = trainee.adapter else {
        return try write(
          ModelImport(source, matrixType: matrixType, retrained: .init(rows: trainee.rows, history: history)), path, arguments)
      }
      // Merging reads an adapter's files.
      let folder = path + ".adapter"
      defer { FinetuneOutput.removeAdapter(folder) }
      let model: ModelImport
      do {
        try adapter.write(to: folder, for: source, replacing: true)
        model = try ModelImport(
          source, matrixType: matrixType, merging: AdapterFile.open(folder, for: source.config), told: history)
      } catch let error as FormatError {
        throw CommandError(error.description)
      }
      try write(model, path, arguments)
    }
  }

  private func write(_ model: ModelImport, _ path: String, _ arguments: Arguments) throws {
    if !arguments.has("quiet") { for note in model.notes { Output.note("hoof: \(note)") } }
    try Creation.write(model, to: path, arguments)
  }

  private static func removeAdapter(_ folder: String) {
    for name in ["adapter_model.safetensors", "adapter_config.json"] { unlink("\(folder)/\(name)") }
    rmdir(folder)
  }
}
