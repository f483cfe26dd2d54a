import Testing

@testable import Tasks

struct ScoringTreeTests {
  private func tree(_ inputs: [[Int32]], held: Int = 0) -> ScoringTree { ScoringTree(inputs.map { $0[...] }, held: held) }
  private let question: [Int32] = Array(100..<120)

  @Test("choices read their question once, in two passes")
  func choices() {
    let tree = tree([question + [1, 2, 3], question + [4, 5], question + [6]])
    #expect(tree.levels == 2)
    #expect(tree.branches.map(\.depth) == [0..<20, 20..<23, 20..<22, 20..<21])
    #expect(tree.level(0) == [0] && tree.level(1) == [1, 2, 3])
    #expect(tree.branches.map(\.start) == [0, 0, 23, 45])
    #expect(tree.rows == 66)
    #expect(tree.place(of: 19, in: 2) == (0, 19))
    #expect(tree.place(of: 20, in: 2) == (3, 0))
  }

  @Test("equal inputs are one branch, and few shared tokens are read again")
  func equal() {
    let same = tree([question, question, question])
    #expect(same.branches.count == 1 && same.rows == 20)
    let apart = tree([[1, 2, 3, 4], [1, 2, 3, 5]])
    #expect(apart.branches.map(\.depth) == [0..<4, 0..<4] && apart.levels == 1)
  }

  @Test("a branch that only its first part is shared of is split, also below others")
  func split() {
    let subject: [Int32] = Array(0..<30)
    let inputs = [
      subject + question + [1], subject + question + [2], subject + Array(question.prefix(10)) + [3, 3], subject + [300],
    ]
    let tree = tree(inputs)
    for (index, input) in inputs.enumerated() {
      let path = tree.paths[index].map { tree.branches[$0] }
      #expect(path.first?.depth.lowerBound == 0 && path.last?.depth.upperBound == input.count)
      for (upper, lower) in zip(path, path.dropFirst()) {
        #expect(upper.depth.upperBound == lower.depth.lowerBound && upper.level + 1 == lower.level)
      }
      for branch in path { #expect(inputs[branch.request].prefix(branch.depth.upperBound) == input.prefix(branch.depth.upperBound)) }
    }
    #expect(tree.levels == 4)
    #expect(Set(tree.branches.map { $0.depth.count }.sorted()) == [1, 2, 10, 30])
  }

  @Test("what is held is not read, and is split where paths part")
  func held() {
    let tree = tree([question + [1, 2], Array(question.prefix(15)) + [9, 9, 9]], held: 18)
    #expect(tree.branches.filter(\.isHeld).map(\.depth) == [0..<15, 15..<18])
    #expect(tree.levels == 1)
    #expect(tree.level(0).map { tree.branches[$0].depth } == [18..<22, 15..<18])
  }
}
