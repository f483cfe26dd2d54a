import TensorCore
import TensorTesting
import Testing

@Suite struct RegistryTests {
  private func refusing(_ name: String, _ reason: String) -> BackendRegistry.Entry {
    .init(name: name) { _ throws(BackendError) in throw .unavailable(reason: reason) }
  }
  private let reference = BackendRegistry.Entry(name: "reference") { _ in ReferenceBackend() }

  @Test("auto takes the first that opens and keeps why the better ones did not")
  func auto() throws {
    let registry = BackendRegistry([
      refusing("cuda", "no driver"), refusing("other", "too old"), reference, refusing("last", "never asked"),
    ])
    let selection = try registry.open()
    #expect(selection.backend.name == "reference")
    #expect(selection.refusals.map(\.name) == ["cuda", "other"] && selection.refusals.map(\.reason) == ["no driver", "too old"])
  }

  @Test("a backend asked for by name is not replaced by another")
  func named() throws {
    let registry = BackendRegistry([refusing("cuda", "no driver"), reference])
    #expect(try registry.open("reference").refusals == [])
    #expect(throws: BackendError.unavailable(reason: "no driver")) { try registry.open("cuda") }
  }

  @Test("an unknown name lists the known ones")
  func unknown() {
    #expect(throws: BackendError.unavailable(reason: "there is no backend 'gpu'; this program has cuda, reference")) {
      try BackendRegistry([refusing("cuda", "no driver"), reference]).open("gpu")
    }
  }

  @Test("if none opens, every reason is given")
  func none() {
    #expect(throws: BackendError.unavailable(reason: "no backend opens: cuda: no driver; cpu: no threads")) {
      try BackendRegistry([refusing("cuda", "no driver"), refusing("cpu", "no threads")]).open()
    }
  }

  @Test("options reach the backend")
  func options() throws {
    let entry = BackendRegistry.Entry(name: "counting") { options throws(BackendError) in
      throw .unavailable(reason: "asked for \(options.threads ?? 0) threads")
    }
    #expect(throws: BackendError.unavailable(reason: "asked for 3 threads")) {
      try BackendRegistry([entry]).open("counting", options: .init(threads: 3))
    }
  }
}
