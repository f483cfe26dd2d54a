import Glibc
import Testing
import TestSupport

/// What `hoof serve` says before it serves; Tests/serving/run.sh has it serve.
struct ServeCommandTests {
  static let model = SharedData.packageRoot + "/examples/talespin-tiny"

  @Test("a line that makes no sense is refused before any model is loaded")
  func usage() {
    let cases: [([String], String)] = [
      ([], "MODEL is missing"), ([Self.model, "--alias", "a,b"], "--alias: 'a,b' is not one name"),
      ([Self.model, Self.model, "--alias", "a,a"], "--alias: 'a,a' has a name twice"),
      ([Self.model, "--alias="], "--alias: '' is not one name"),
      ([Self.model, "--port", "70000"], "--port"), ([Self.model, "--slots", "0"], "--slots"),
    ]
    for (words, expected) in cases {
      let run = Subprocess.hoof(["serve"] + words)
      #expect(run.status == 2 && run.errors.contains(expected), "\(words): \(run.errors)")
    }
  }

  @Test("an address that cannot be listened on is named, with what to do")
  func address() throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(descriptor, $0, length)
        _ = listen(descriptor, 1)
        _ = getsockname(descriptor, $0, &length)
      }
    }
    let port = UInt16(bigEndian: address.sin_port)
    try #require(port > 0)
    let taken = Subprocess.hoof(["serve", Self.model, "--port", "\(port)", "--context", "64", "--slots", "1", "-q"])
    #expect(
      taken.status == 1 && taken.errors == "hoof: cannot listen on 127.0.0.1, port \(port): address already in use; --port takes another\n")
    let nowhere = Subprocess.hoof(["serve", Self.model, "--host", "host.invalid", "--context", "64", "--slots", "1", "-q"])
    #expect(nowhere.status == 1 && nowhere.errors.contains("it is no address of this machine"))
  }

  @Test("without a tokenizer there is nothing to serve")
  func tokenizer() throws {
    let scratch = try TemporaryFolder()
    for name in ["config.json", "model.safetensors"] { try scratch.write(name, TestFiles.read("\(Self.model)/\(name)")) }
    let run = Subprocess.hoof(["serve", scratch.path, "-q"])
    #expect(run.status == 1 && run.errors.contains("the model has no tokenizer"))
  }
}
