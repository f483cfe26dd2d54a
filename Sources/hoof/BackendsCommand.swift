import BackendCPU
import CKernels
import JSON
import TensorCore
import Terminal

extension Command {
  static let backends = Command(
    spec: CommandSpec(
      "backends", summary: "what this machine can compute with, and why something else is refused",
      options: [.threads, .json],
      examples: [.init("hoof backends --json", "the same for a script")]),
    run: { arguments in
      let report = registry.entries.map { BackendReport($0, options: .init(threads: arguments.int("threads"))) }
      if arguments.has("json") {
        return try Output.line(JSON.array(report.map(\.json)).text(pretty: true))
      }
      try Output.write(report.map(\.text).joined(separator: "\n"))
    })
}

/// One line of facts about a backend, or why it does not open.
private struct BackendReport {
  let name: String
  var device: String?
  var memory: (total: Int, free: Int)?
  var refusal: String?
  /// What only this kind of backend has: (JSON key, label, value).
  var details: [(key: String, label: String, value: JSON)] = []

  init(_ entry: BackendRegistry.Entry, options: BackendRegistry.Options) {
    name = entry.name
    do throws(BackendError) {
      let backend = try entry.open(options)
      device = backend.name
      memory = backend.memory()
      guard let cpu = backend as? CPUBackend else { return }
      details = [
        ("simd", "SIMD", .string(String(cString: hoof_simd_name(cpu.simd)))),
        ("threads", "threads", .int(cpu.threads)),
        ("blas_kernel", "BLAS", .string("OpenBLAS \(cpu.blasKernel)")),
      ]
    } catch {
      refusal = error.description
    }
  }

  var text: String {
    if let refusal { return "\(name): not available: \(refusal)\n" }
    var rows = [("device", device ?? "")]
    if let memory { rows.append(("memory", "\(ByteCount(memory.total)), \(ByteCount(memory.free)) free")) }
    rows += details.map { ($0.label, $0.value.string ?? $0.value.text()) }
    return "\(name): available\n" + HelpText.table(rows)
  }

  var json: JSON {
    var object: JSON.Object = ["name": .string(name), "available": .bool(refusal == nil)]
    if let refusal { object["reason"] = .string(refusal) }
    if let device { object["device"] = .string(device) }
    if let memory {
      object["memory_total"] = .int(memory.total)
      object["memory_free"] = .int(memory.free)
    }
    for detail in details { object[detail.key] = detail.value }
    return .object(object)
  }
}
