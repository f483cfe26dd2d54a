import Formats
import JSON
import Surgery
import Terminal

/// Writes a report where the arguments say: JSON file, HTML page, and a summary or the JSON on standard output.
func write(_ report: AblationReport, _ arguments: Arguments, to path: String?) throws {
  let text = report.json.text(pretty: true) + "\n"
  if let path { try AtomicFile.write(text, to: path, force: arguments.has("force")) }
  if let page = arguments.string("html") {
    try AtomicFile.write(AblationReportPage.html(report.json), to: page, force: arguments.has("force"))
  }
  try Output.write(arguments.has("json") ? text : ReportText.text(report.json))
}

/// `hoof ablate --merge PART.json… -o OUT`
func mergeReports(_ arguments: Arguments) throws {
  var parts: [(path: String, report: JSON)] = []
  for path in arguments.all("MODEL") { parts.append((path, try readJSON(path))) }
  try write(try AblationReport(merging: parts), arguments, to: arguments.string("output"))
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
