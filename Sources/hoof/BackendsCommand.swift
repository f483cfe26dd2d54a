import BackendCPU
import CKernels
import JSON
import TensorCore
import Terminal

extension Command {
  static let backends = Command(
    spec: CommandSpec(
      "backends", summary: "what this machine can compute with, and why something else is refused",
      details: "Of several GPUs each is listed; --device N of the other commands chooses one.",
      options: [.threads, .json],
      examples: [.init("hoof backends --json", "the same for a script")]),
    run: { arguments in
      let report = registry.entries.flatMap { entry in
        (0..<entry.devices()).map { BackendReport(entry, options: .init(threads: arguments.int("threads"), device: $0)) }
      }
      if arguments.has("json") {
        return try Output.line(JSON.array(report.map(\.json)).text(pretty: true))
      }
      try Output.write(report.map(\.text).joined(separator: "\n"))
    })
}

/// Facts about one device of a backend, or why it does not open.
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
      details = backend.details.map { detail in
        (String(detail.name.lowercased().map { $0 == " " ? "_" : $0 }), detail.name, .string(detail.value))
      }
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
