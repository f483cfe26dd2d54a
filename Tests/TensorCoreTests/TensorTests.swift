import TensorCore
import TensorTesting
import Testing

@Suite struct TensorTests {
  private let backend = ReferenceBackend()

  @Test(
    "rows of block types are padded to whole blocks",
    arguments: [
      (DType.f32, 7, 28), (.i32, 1, 4), (.f16, 7, 14), (.bf16, 0, 0), (.q8_0, 1, 34), (.q8_0, 32, 34), (.q8_0, 33, 68), (.q4_K, 256, 144),
      (.q4_K, 257, 288),
    ])
  func rowBytes(dtype: DType, columns: Int, bytes: Int) { #expect(dtype.rowBytes(columns: columns) == bytes) }

  @Test("every type is found by its name", arguments: DType.allCases)
  func names(dtype: DType) { #expect(DType(name: dtype.name) == dtype) }

  @Test("a row range shares memory with its tensor")
  func rows() throws {
    let x = try Tensor((0..<12).map { Float($0) }, rows: 4, columns: 3, on: backend)
    let middle = x.rows(1..<3)
    #expect(middle.shape == Shape(2, 3) && middle.byteOffset == 12)
    #expect(try middle.floats() == [3, 4, 5, 6, 7, 8])
    backend.fill(middle.rows(1..<2), with: -1)
    #expect(try x.floats() == [0, 1, 2, 3, 4, 5, -1, -1, -1, 9, 10, 11])
    #expect(try x.rows(4..<4).floats() == [])
  }

  @Test("a row range of a quantised tensor starts at a block")
  func quantisedRows() throws {
    let x = try Tensor(3, 40, .q8_0, on: backend)
    #expect(x.rows(2..<3).byteOffset == 2 * 68 && x.byteCount == 204)
  }

  @Test("reshaping keeps the elements in order")
  func reshaped() throws {
    let x = try Tensor((0..<6).map { Float($0) }, rows: 2, columns: 3, on: backend).reshaped(3, 2)
    #expect(x.shape == Shape(3, 2))
    #expect(try x.rows(1..<2).floats() == [2, 3])
  }

  @Test("the allocating layer gives what the ops give")
  func allocating() throws {
    let x = try Tensor([1, 2, 3, 4], rows: 2, columns: 2, on: backend)
    #expect(try x.linear(try Tensor([1, 0, 0, 1, 1, 1], rows: 3, columns: 2, on: backend)).floats() == [1, 2, 3, 3, 4, 7])
    #expect(try x.adding(x).floats() == [2, 4, 6, 8])
    #expect(try x.rowDots(x).floats() == [5, 25])
    #expect(try x.gathered(at: try Tensor([1, 1] as [Int32], on: backend)).floats() == [3, 4, 3, 4])
    #expect(try x.masked(by: try Tensor([0, 2], rows: 1, columns: 2, on: backend)).floats() == [0, 4, 0, 8])
    #expect(try x.copied().floats() == [1, 2, 3, 4])
  }

  @Test("storage is given back to its backend when the last tensor goes, borrowed memory is not")
  func lifetime() throws {
    final class Lender: Sendable {}
    weak var lender: Lender?
    do {
      let owner = Lender()
      lender = owner
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
      defer { bytes.deallocate() }
      bytes.storeBytes(of: 1.5, as: Float.self)
      bytes.storeBytes(of: -2, toByteOffset: 4, as: Float.self)
      let address = try #require(backend.adopt(UnsafeRawBufferPointer(bytes)))
      let x = Tensor(storage: Storage(borrowing: address, byteCount: 8, from: owner, on: backend), dtype: .f32, shape: Shape(1, 2))
      #expect(try x.floats() == [1.5, -2])
    }
    #expect(lender == nil)
  }

  @Test("views that do not fit trap and say so")
  func views() async {
    let outside = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try Tensor(4, 3, on: ReferenceBackend()).rows(3..<5)
    }
    #expect(String(decoding: outside?.standardErrorContent ?? [], as: UTF8.self).contains("rows: 3..<5 of [4, 3]") || !isDebug)
    await #expect(processExitsWith: .failure) {
      let storage = try Storage(byteCount: 16, on: ReferenceBackend())
      _ = Tensor(storage: storage, byteOffset: 4, dtype: .f32, shape: Shape(1, 4))
    }
    await #expect(processExitsWith: .failure) { _ = try Tensor(4, 3, on: ReferenceBackend()).reshaped(5, 3) }
  }

  /// Preconditions keep their message in debug builds only.
  private var isDebug: Bool {
    var isDebug = false
    assert(
      {
        isDebug = true; return true
      }())
    return isDebug
  }
}
