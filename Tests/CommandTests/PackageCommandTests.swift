import Formats
import JSON
import TestSupport
import Testing

@Suite("hoof package", .serialized)
struct PackageCommandTests {
  private static var model: String { SharedData.packageRoot + "/examples/talespin-tiny" }

  private func make(_ folder: TemporaryFolder, _ more: String...) -> Subprocess {
    Subprocess.hoof(["package", PackageCommandTests.model, "-o", folder.file("pitcher"), "--quiet"] + more)
  }

  @Test("the file is a hoof that knows its model, and few commands")
  func runs() throws {
    let folder = try TemporaryFolder()
    let made = make(folder, "--name", "movie pitcher", "--json")
    #expect(made.status == 0, "\(made.errors)")
    let report = try JSON(parsing: Array(made.output.utf8))
    #expect(report["name"]?.string == "movie pitcher" && report["path"]?.string == folder.file("pitcher"))
    #expect(report["bytes"]!.int! == report["engine_bytes"]!.int! + report["model_bytes"]!.int!)
    #expect(folder.names() == ["pitcher"])

    func run(_ line: String) -> Subprocess { Subprocess.shell("\(folder.file("pitcher")) \(line)") }
    let text = run("generate -p 'Once upon a time' -n 12 --temperature 0 --quiet")
    let plain = Subprocess.hoof([
      "generate", PackageCommandTests.model, "-p", "Once upon a time", "-n", "12", "--temperature", "0", "--quiet",
    ])
    #expect(text.status == 0 && plain.status == 0 && text.output == plain.output && !text.output.isEmpty, "\(text) \(plain)")
    #expect(run("inspect").output.contains("8"))
    let help = run("--help")
    #expect(help.status == 0 && help.output.contains("'movie pitcher'") && help.output.contains("serve") && !help.output.contains("ablate"))
    #expect(run("help generate").output.contains("Usage: pitcher generate [options]"))
    let refused = run("ablate")
    #expect(refused.status == 2 && refused.errors.contains("a package has no command 'ablate'"))
    #expect(run("generat").errors.contains("did you mean 'generate'?"))
    // A .hoof file goes in as it is.
    let model = folder.file("model.hoof")
    #expect(Subprocess.hoof(["create", PackageCommandTests.model, "-o", model, "--quiet"]).status == 0)
    let copied = Subprocess.hoof(["package", model, "-o", folder.file("second"), "--quiet", "--json"])
    #expect(copied.status == 0, "\(copied.errors)")
    #expect(try JSON(parsing: Array(copied.output.utf8))["model_bytes"]?.int == (try TestFiles.read(model).count))
    // Others open it as they open a model.
    #expect(Subprocess.hoof(["inspect", folder.file("pitcher"), "--json"]).status == 0)
  }

  @Test("what is wrong is said before anything is written")
  func refusals() throws {
    let folder = try TemporaryFolder()
    try folder.write("pitcher", "precious")
    #expect(make(folder).errors.contains("pitcher: exists already; --force replaces it"))
    #expect(try folder.read("pitcher") == Array("precious".utf8))
    #expect(Subprocess.hoof(["package", PackageCommandTests.model]).status == 2)
    let absent = Subprocess.hoof(["package", folder.file("absent.hoof"), "-o", folder.file("out")])
    #expect(absent.status == 1 && absent.errors.contains("absent.hoof"))
    // The tests' own hoof is linked with Swift's shared libraries.
    let universal = Subprocess.hoof(["package", PackageCommandTests.model, "-o", folder.file("out"), "--universal"])
    let needs = try ExecutableNeeds(path: Subprocess.binary)
    #expect((universal.status == 0) == needs.foreign.isEmpty)
    if universal.status != 0 { #expect(universal.errors.contains("make universal") && universal.errors.contains(needs.foreign[0])) }
    #expect(folder.names().filter { $0 != "out" } == ["pitcher"])
  }
}
