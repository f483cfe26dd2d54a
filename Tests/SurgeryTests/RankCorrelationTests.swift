import Evaluation
import Testing

struct RankCorrelationTests {
  @Test("ranks and ties are scipy's")
  func ties() throws {
    // scipy 1.17: spearmanr and kendalltau (tau-b) of these lists.
    let result = try #require(RankCorrelation([1, 2, 2, 3, 5], [1, 3, 2, 3, 9]))
    #expect(abs(result.spearman - 0.9210526315789475) < 1e-12)
    #expect(abs(result.kendall - 0.8888888888888888) < 1e-12)
    #expect(RankCorrelation([1, 2, 3, 4], [4, 3, 2, 1])?.kendall == -1)
  }

  @Test("a constant list has no rank correlation")
  func constant() {
    #expect(RankCorrelation([1, 1, 1], [1, 2, 3]) == nil)
    #expect(RankCorrelation([1], [1]) == nil)
    #expect(RankCorrelation([1, 2, .nan], [1, 2, 3]) == nil && RankCorrelation([1, 2, 3], [1, 2, .infinity]) == nil)
  }
}
