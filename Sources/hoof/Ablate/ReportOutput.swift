import Formats
import Glibc
import JSON
import Surgery
import Terminal

/// Writes a report where the arguments say: JSON file, HTML page, and a summary or the JSON on standard output.
func write(_ report: JSON, _ arguments: Arguments, to path: String?) throws {
  let text = report.text(pretty: true) + "\n"
  if let path { try AtomicFile.write(text, to: path, force: arguments.has("force")) }
  if let page = arguments.string("html") {
    try AtomicFile.write(AblationReportPage.html(report), to: page, force: arguments.has("force"))
  }
  try Output.write(arguments.has("json") ? text : ReportText.text(report))
}

/// Whether the reports can be written, before hours of work instead of after.
/// - Parameter inputs: what is read; not even --force writes over it.
func checkOutputs(_ arguments: Arguments, report: String?, inputs: [String]) throws {
  let paths = [report, arguments.string("html")].compactMap { $0 }
  try checkOutputs(paths, inputs: inputs, force: arguments.has("force"))
}

/// Whether files can be written, each of them.
func checkOutputs(_ paths: [String], inputs: [String], force: Bool) throws(CommandError) {
  let sources = inputs.compactMap(FileIdentity.init)
  for (index, path) in paths.enumerated() {
    if paths[..<index].contains(where: { isSamePlace($0, path) }) {
      throw CommandError("two outputs have this name", at: path, advice: "choose another name for one of them")
    }
    if let found = FileIdentity(path) {
      if found.isFolder { throw CommandError("the output is a folder", at: path, advice: "give a file name") }
      if sources.contains(found) {
        throw CommandError("the output is one of the inputs", at: path, advice: "choose another name")
      }
      if !force { throw CommandError("the output exists already", at: path, advice: "--force replaces it") }
    }
    let folder = parent(of: path)
    guard access(folder, W_OK) == 0 else {
      throw CommandError("cannot write there: \(String(cString: strerror(errno)))", at: folder, advice: "choose another folder")
    }
  }
}

/// Whether what is written last would replace what is written first, however the folder is called.
private func isSamePlace(_ path: String, _ other: String) -> Bool {
  if path == other { return true }
  guard let folder = FileIdentity(parent(of: path)), folder == FileIdentity(parent(of: other)) else { return false }
  return path.split(separator: "/").last == other.split(separator: "/").last
}

private func parent(of path: String) -> String {
  path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
}

/// What a path leads to, whatever it is called.
private struct FileIdentity: Equatable {
  let device: UInt, node: UInt, isFolder: Bool

  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    (device, node) = (UInt(status.st_dev), UInt(status.st_ino))
    isFolder = status.st_mode & S_IFMT == S_IFDIR
  }
}

/// `hoof ablate --merge PART.json… -o OUT`
func mergeReports(_ arguments: Arguments) throws {
  try checkOutputs(arguments, report: arguments.string("output"), inputs: arguments.all("MODEL"))
  var parts: [(path: String, report: JSON)] = []
  for path in arguments.all("MODEL") { parts.append((path, try readJSON(path))) }
  try write(try AblationReport(merging: parts).json, arguments, to: arguments.string("output"))
}

/// A JSON file, or an error that names it.
func readJSON(_ path: String) throws(FormatError) -> JSON {
  let file = try MappedFile(path: path)
  do throws(JSONError) {
    return try JSON(parsing: file.bytes.bindMemory(to: UInt8.self))
  } catch {
    throw FormatError(path, nil, "\(error)")
  }
}
