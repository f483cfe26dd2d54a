import Transformer

/// Requests in the shape of a tree: what several begin with is one branch, which the model reads once. The choices of a question share the
/// question, questions of a subject their examples; those of one token share everything and cost one row for all.
///
/// Keys and values of a path from the root lie in one range of rows. The first branch grows behind its parent where that lies; further
/// branches copy what is before them, which costs a small part of reading it.
struct ScoringTree {
  struct Branch: Equatable {
    /// Tokens from the root to its first token, and behind its last.
    var depth: Range<Int>
    var parent: Int?
    /// Whose input has these tokens.
    var request: Int
    /// Branches before it on the path that have to be read: branches of one level are read in one pass.
    var level: Int
    /// Keys and values are there from an earlier batch.
    var isHeld: Bool
    /// The row of the path's first token.
    var start = 0
    var children: [Int] = []
  }

  private(set) var branches: [Branch] = []
  /// By request (index in the batch), branches from the root to its end.
  private(set) var paths: [[Int]] = []
  /// Rows that the batch's keys and values take.
  private(set) var rows = 0

  /// Tokens below which reading them again is cheaper than a pass more.
  static let leastShared = 8

  /// - Parameters:
  ///   - inputs: what the model reads, in lexicographic order: those that share a beginning are neighbours.
  ///   - held: tokens of the first input whose keys and values are there already.
  init(_ inputs: [ArraySlice<Int32>], held: Int = 0) {
    precondition(inputs.allSatisfy { !$0.isEmpty } && held <= (inputs.first?.count ?? 0), "scoring tree: \(held) held tokens")
    for (index, input) in inputs.enumerated() {
      var path = index == 0 ? firstPath(held) : sharedPath(ScoringTree.common(inputs[index - 1], input), of: index - 1)
      let depth = path.last.map { branches[$0].depth.upperBound } ?? 0
      if depth < input.count { path.append(add(depth..<input.count, request: index, below: path.last)) }
      paths.append(path)
    }
    place()
  }

  /// Tokens that two inputs begin with alike.
  static func common(_ a: ArraySlice<Int32>, _ b: ArraySlice<Int32>) -> Int {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        let count = min(a.count, b.count)
        return (0..<count).first { a[$0] != b[$0] } ?? count
      }
    }
  }

  var levels: Int { (branches.lazy.filter { !$0.isHeld }.map(\.level).max() ?? -1) + 1 }

  /// Branches that are read in one pass.
  func level(_ level: Int) -> [Int] { branches.indices.filter { !branches[$0].isHeld && branches[$0].level == level } }

  /// Where the row that reads token `position` of a request is: its branch, and the row in it.
  func place(of position: Int, in request: Int) -> (branch: Int, row: Int) {
    let branch = paths[request].first { branches[$0].depth.contains(position) }!
    return (branch, position - branches[branch].depth.lowerBound)
  }

  private mutating func firstPath(_ held: Int) -> [Int] {
    guard held > 0 else { return [] }
    branches.append(Branch(depth: 0..<held, parent: nil, request: 0, level: -1, isHeld: true))
    return [0]
  }

  /// The part of a request's path that the next one, which begins with the same `shared` tokens, goes along as well.
  private mutating func sharedPath(_ shared: Int, of request: Int) -> [Int] {
    var path = paths[request].prefix { branches[$0].depth.upperBound <= shared }
    if path.count < paths[request].count {
      let branch = paths[request][path.count]
      // Held rows cost nothing, so that even few of them are worth sharing.
      let least = branches[branch].isHeld ? 1 : ScoringTree.leastShared
      if shared - branches[branch].depth.lowerBound >= least {
        split(branch, at: shared)
        path.append(branch)
      }
    }
    return Array(path)
  }

  private mutating func add(_ depth: Range<Int>, request: Int, below parent: Int?) -> Int {
    let level = parent.map { branches[$0].level + 1 } ?? 0
    branches.append(Branch(depth: depth, parent: parent, request: request, level: level, isHeld: false))
    if let parent { branches[parent].children.append(branches.count - 1) }
    return branches.count - 1
  }

  /// `branch` keeps the tokens before `depth`; the others, and all that comes behind them, become a branch below it.
  private mutating func split(_ branch: Int, at depth: Int) {
    var rest = branches[branch]
    branches[branch].depth = rest.depth.lowerBound..<depth
    branches[branch].children = [branches.count]
    rest.depth = depth..<rest.depth.upperBound
    rest.parent = branch
    let lower = branches.count
    branches.append(rest)
    for child in rest.children { branches[child].parent = lower }
    // A pass more for all that is below, unless it is held.
    if !rest.isHeld { deepen(lower) }
    // Those that go along it are the latest: inputs are in order.
    for request in paths.indices.reversed() {
      guard let place = paths[request].firstIndex(of: branch) else { break }
      paths[request].insert(lower, at: place + 1)
    }
  }

  private mutating func deepen(_ branch: Int) {
    branches[branch].level += 1
    for child in branches[branch].children { deepen(child) }
  }

  /// Gives every path its rows.
  private mutating func place() {
    for index in branches.indices where branches[index].parent == nil { place(index, at: reserve(index)) }
  }

  /// Rows for a path that goes through a branch and on along first children.
  private mutating func reserve(_ branch: Int) -> Int {
    var last = branch
    while let child = branches[last].children.first { last = child }
    defer { rows += branches[last].depth.upperBound }
    return rows
  }

  private mutating func place(_ branch: Int, at start: Int) {
    branches[branch].start = start
    for (index, child) in branches[branch].children.enumerated() { place(child, at: index == 0 ? start : reserve(child)) }
  }
}
