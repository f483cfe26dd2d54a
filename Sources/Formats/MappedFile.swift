/// A read-only memory-mapped file; unmapped when the last reference goes.
public final class MappedFile: Sendable {
  public let path: String
  private let start: UInt
  public let byteCount: Int
  init(path: String, start: UInt, byteCount: Int) { (self.path, self.start, self.byteCount) = (path, start, byteCount) }
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: start), count: byteCount) }
}
