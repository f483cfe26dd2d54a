/// Why a template cannot be read, or gives nothing for a row.
public struct TemplateError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What the row lacks, where that is the reason.
  public var missingField: String?
  public var reason: String

  init(_ reason: String, missingField: String? = nil) { (self.reason, self.missingField) = (reason, missingField) }

  public var description: String { missingField.map { "\($0): \(reason)" } ?? reason }
}
