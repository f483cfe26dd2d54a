import Spelling
import TensorCore
import Terminal

/// A backend that a list such as "cpu,cuda" asked for.
struct OpenedBackend {
  let name: String
  let backend: any ComputeBackend
  let precision: Precision

  /// Unique among the opened: the device's own name, with the precision where that does not say it.
  var label: String { backend.name.contains(precision.rawValue) ? backend.name : "\(backend.name) \(precision.rawValue)" }

  /// Those that --backend names, or all that open; refusals are noted unless it was one of the named ones.
  /// - Parameter precisions: each backend is opened in every one of these it has; nil opens it as --precision says.
  static func all(_ arguments: Arguments, precisions: [Precision]? = nil) throws -> [OpenedBackend] {
    let names = try names(arguments)
    var opened: [OpenedBackend] = []
    for name in names ?? registry.names {
      let entry = registry.entries.first { $0.name == name }!
      var options = BackendRegistry.Options(arguments)
      var refusal: BackendError?
      let before = opened.count
      for precision in precisions.map({ $0.map(Optional.some) }) ?? [options.precision] {
        options.precision = precision
        do throws(BackendError) {
          let backend = try entry.open(options)
          opened.append(.init(name: name, backend: backend, precision: precision ?? (backend.activations == .bf16 ? .bf16 : .f32)))
        } catch {
          refusal = refusal ?? error
        }
      }
      guard opened.count == before, let refusal else { continue }
      if names != nil {
        throw CommandError("cannot open the backend '\(name)': \(refusal)", advice: "'hoof backends' lists what opens here")
      }
      if !arguments.has("quiet") { Output.note("hoof: not on \(name): \(refusal)") }
    }
    guard !opened.isEmpty else { throw CommandError("no backend opens here", advice: "'hoof backends' tells why") }
    return opened
  }

  /// The names in --backend; nil for all.
  private static func names(_ arguments: Arguments) throws(UsageError) -> [String]? {
    let asked = arguments.string("backend") ?? "auto"
    if asked == "auto" { return nil }
    let names = asked.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    for name in names where !registry.names.contains(name) {
      let hint = NearestName.hint(for: name, in: registry.names)
      throw UsageError(
        command: arguments.command, "--backend: expected some of \(registry.names.joined(separator: ",")), not '\(name)'\(hint)")
    }
    if Set(names).count < names.count { throw UsageError(command: arguments.command, "--backend: '\(asked)' names a backend twice") }
    return names
  }
}
