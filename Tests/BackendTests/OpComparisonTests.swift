import TensorCore
import TensorTesting
import Testing

/// The judge itself: it must see each kind of mistake.
@Suite struct OpComparisonTests {
  private func complaints(_ values: [Float], _ expected: [Float], limit: Double = 1e-12, dtype: DType = .f32, absolute: Double = 0)
    -> [String]
  {
    func result(_ values: [Float]) -> OpResult {
      OpResult(outputs: [OpOutput(name: "out", dtype: dtype, values: values)], trespasses: [])
    }
    return OpComparison(result(values), with: result(expected), Tolerance(limit, "a test", absolute: absolute)).complaints
  }

  @Test("equal values, NaN and infinities included, pass")
  func equal() { #expect(complaints([1, .nan, -.infinity, 0], [1, .nan, -.infinity, 0]) == []) }

  @Test("a NaN in the wrong place is reported apart from the error")
  func misplacedNaN() {
    #expect(complaints([.nan, 1], [1, 1]) == ["out: 1 values not NaN or infinite as expected, first at 0: nan, expected 1.0"])
    #expect(complaints([1, 1], [1, .nan]).count == 1)
  }

  @Test("infinities of the other sign are wrong")
  func signs() { #expect(complaints([.infinity], [-.infinity]).count == 1) }

  @Test("an error above the limit is reported, one below is not")
  func limit() {
    #expect(complaints([1, 2, 3.00003], [1, 2, 3], limit: 1e-12).count > 0)
    #expect(complaints([1, 2, 3.000001], [1, 2, 3], limit: 1e-12) == [])
  }

  @Test("one wrong value does not hide among a million right ones")
  func outlier() {
    var values = [Float](repeating: 1, count: 1_000_000)
    values[123_456] = 1.0005
    #expect(complaints(values, [Float](repeating: 1, count: 1_000_000), limit: 1e-12).count == 1)
  }

  @Test("exact cases and integers allow no difference")
  func exact() {
    #expect(complaints([1.0000001], [1], limit: 0).count == 1)
    #expect(complaints([4], [5], limit: 1, dtype: .i32).count == 1)
  }

  @Test("values near zero are judged against the absolute size")
  func absolute() {
    #expect(complaints([1e-7], [0], limit: 1e-12).count > 0)
    #expect(complaints([1e-7], [0], limit: 1e-12, absolute: 1) == [])
  }
}
