/// The backends a program was built with, best first. A value, built where the program starts: no global default device.
public struct BackendRegistry: Sendable {
  public struct Options: Sendable {
    /// Worker threads; nil lets the backend choose.
    public var threads: Int?
    /// Which of several devices of one kind; nil is the first.
    public var device: Int?
    /// nil lets the backend choose.
    public var precision: Precision?
    public var vendorBLAS: VendorBLAS
    public init(threads: Int? = nil, device: Int? = nil, precision: Precision? = nil, vendorBLAS: VendorBLAS = .auto) {
      self.threads = threads
      self.device = device
      self.precision = precision
      self.vendorBLAS = vendorBLAS
    }
  }

  public struct Entry: Sendable {
    public let name: String
    public let open: @Sendable (Options) throws(BackendError) -> any ComputeBackend
    public init(name: String, open: @escaping @Sendable (Options) throws(BackendError) -> any ComputeBackend) {
      self.name = name
      self.open = open
    }
  }

  /// Why a backend that stands before the chosen one was not used.
  public struct Refusal: Sendable, Equatable {
    public let name: String
    public let reason: String
  }

  public struct Selection: Sendable {
    public let backend: any ComputeBackend
    public let refusals: [Refusal]
  }

  public let entries: [Entry]
  public init(_ entries: [Entry]) { self.entries = entries }

  public var names: [String] { entries.map(\.name) }

  /// Opens the backend called `name`, or with "auto" the first that opens; every refusal keeps its reason.
  public func open(_ name: String = "auto", options: Options = Options()) throws(BackendError) -> Selection {
    if name != "auto" {
      guard let entry = entries.first(where: { $0.name == name }) else {
        throw .unavailable(reason: "there is no backend '\(name)'; this program has \(names.joined(separator: ", "))")
      }
      return Selection(backend: try entry.open(options), refusals: [])
    }
    var refusals: [Refusal] = []
    for entry in entries {
      do throws(BackendError) {
        return Selection(backend: try entry.open(options), refusals: refusals)
      } catch {
        refusals.append(Refusal(name: entry.name, reason: error.description))
      }
    }
    throw .unavailable(reason: "no backend opens: " + refusals.map { "\($0.name): \($0.reason)" }.joined(separator: "; "))
  }
}
