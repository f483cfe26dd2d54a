import Tasks
import Testing

/// Against CPython 3.11's `random.Random(1234)`.
struct PythonRandomTests {
  @Test("draws are CPython's, one after another")
  func draws() {
    var random = PythonRandom(seed: 1234)
    #expect(random.sample(5, of: 100) == [99, 56, 14, 0, 11])
    #expect(random.sample(5, of: 100) == [74, 4, 85, 88, 10])
    #expect(random.sample(7, of: 20) == [3, 11, 7, 0, 16, 12, 15])
    #expect(random.uniform() == 0.3460889655971231)
    #expect(random.uniform() == 0.6232814750391685)
    #expect((0..<4).map { _ in Int(random.uniform() * 10) } == [6, 1, 1, 1])
  }
}
