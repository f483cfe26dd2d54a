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
    /// Text is written and nothing is measured: where the precision is left to the backend, it may take a faster one whose rounding is far
    /// below that of quantised weights.
    public var writesText: Bool
    public init(
      threads: Int? = nil, device: Int? = nil, precision: Precision? = nil, vendorBLAS: VendorBLAS = .auto, writesText: Bool = false
    ) {
      self.threads = threads
      self.device = device
      self.precision = precision
      self.vendorBLAS = vendorBLAS
      self.writesText = writesText
    }
  }

  public struct Entry: Sendable {
    public let name: String
    public let open: @Sendable (Options) throws(BackendError) -> any ComputeBackend
    /// How many devices of this kind there are, for listing them.
    public let devices: @Sendable () -> Int
    public init(
      name: String, devices: @escaping @Sendable () -> Int = { 1 },
      open: @escaping @Sendable (Options) throws(BackendError) -> any ComputeBackend
    ) {
      self.name = name
      self.open = open
      self.devices = devices
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
  /// - Parameter objection: why a backend that opened cannot be used for the work at hand; nil accepts it.
  public func open(
    _ name: String = "auto", options: Options = Options(), unless objection: (any ComputeBackend) -> String? = { _ in nil }
  ) throws(BackendError) -> Selection {
    func accepted(_ entry: Entry) throws(BackendError) -> any ComputeBackend {
      let backend = try entry.open(options)
      if let reason = objection(backend) { throw .unavailable(reason: reason) }
      return backend
    }
    if name != "auto" {
      guard let entry = entries.first(where: { $0.name == name }) else {
        throw .unavailable(reason: "there is no backend '\(name)'; this program has \(names.joined(separator: ", "))")
      }
      return Selection(backend: try accepted(entry), refusals: [])
    }
    var refusals: [Refusal] = []
    for entry in entries {
      do throws(BackendError) {
        return Selection(backend: try accepted(entry), refusals: refusals)
      } catch {
        refusals.append(Refusal(name: entry.name, reason: error.description))
      }
    }
    throw .unavailable(reason: "no backend opens: " + refusals.map { "\($0.name): \($0.reason)" }.joined(separator: "; "))
  }
}
