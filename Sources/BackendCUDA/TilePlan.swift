import TensorCore

/// A tile that the kernels of matrix products are compiled for.
struct TileKind: Equatable {
  /// As kernels' names have them: the arithmetic, and the tile's size.
  let activations: String, suffix: String
  let rows: Int, columns: Int, threads: Int, sharedBytes: Int
  /// Neighbours of an operand that are read at once.
  let elementsOfPacket: Int
  /// What shares of k are multiples of.
  let step: Int
  /// Time of a step in units of large's, and the steps a block loses in the beginning and at the end: estimates from the instructions and
  /// the traffic of shared memory, see the kernels' headers.
  let cost: Double, idleSteps: Double

  static let large = TileKind(
    activations: "bf16", suffix: "", rows: 128, columns: 128, threads: 128, sharedBytes: 65536, elementsOfPacket: 8, step: 32, cost: 1,
    idleSteps: 8)
  static let small = TileKind(
    activations: "bf16", suffix: "_small", rows: 64, columns: 64, threads: 128, sharedBytes: 49152, elementsOfPacket: 8, step: 64,
    cost: 0.85, idleSteps: 5)
  static let tf32 = TileKind(
    activations: "tf32", suffix: "", rows: 128, columns: 128, threads: 256, sharedBytes: 65536, elementsOfPacket: 4, step: 64, cost: 5,
    idleSteps: 2)
  static let f32 = TileKind(
    activations: "f32", suffix: "", rows: 128, columns: 128, threads: 256, sharedBytes: 0, elementsOfPacket: 4, step: 64, cost: 20,
    idleSteps: 0.5)

  static func choices(_ product: MatrixProduct, _ precision: Precision) -> [TileKind] {
    if product.a.dtype == .f32 { return [precision == .tf32 ? .tf32 : .f32] }
    return product.b.dtype == .f32 || product.b.dtype == .f16 ? [.small] : [.large, .small]
  }

  func count(m: Int, n: Int) -> Int { m.dividedUp(by: rows) * n.dividedUp(by: columns) }

  func file(_ product: MatrixProduct) -> KernelFile {
    if self == .f32 { return .matmul_f32 }
    if self == .tf32 { return .matmul_tf32 }
    let isForward = product.transpose == .right
    return switch product.b.dtype {
    case .bf16: isForward ? .matmul : .matmul_backward
    case .f32, .f16, .i32: .matmul_mixed
    case .q8_0, .q4_K: isForward ? .quantized : .quantized_backward
    }
  }
}

/// How a product is cut: its tile, and the shares of k that blocks of their own sum up when tiles alone leave multiprocessors idle.
struct TilePlan: Equatable {
  let tile: TileKind
  /// Elements of k in a share, a multiple of the tile's step; all of k when there is one share.
  let depth: Int
  let shares: Int

  private static let mostShares = 32
  /// Of the kernel that adds up shares, in steps of the large tile (about 0.25 µs): its launch, and bytes it writes and reads in one.
  private static let reduceCost = 12.0, reduceBytes = 650_000.0

  init(_ tile: TileKind, k: Int, shares wanted: Int) {
    self.tile = tile
    let steps = max(1, k.dividedUp(by: tile.step))
    depth = steps.dividedUp(by: wanted) * tile.step
    shares = max(1, k.dividedUp(by: depth))
  }

  /// Blocks on one multiprocessor share it, so that time goes by the fullest one.
  func cost(m: Int, n: Int, multiprocessors: Int) -> Double {
    let blocks = (tile.count(m: m, n: n) * shares).dividedUp(by: multiprocessors)
    let time = Double(blocks) * (Double(depth / tile.step) + tile.idleSteps) * tile.cost
    return shares == 1 ? time : time + TilePlan.reduceCost + Double(shares) * Double(m) * Double(n) * 8 / TilePlan.reduceBytes
  }

  static func fastest(_ product: MatrixProduct, _ precision: Precision, multiprocessors: Int) -> TilePlan {
    var best: (plan: TilePlan, cost: Double)?
    for tile in TileKind.choices(product, precision) {
      let steps = max(1, product.k.dividedUp(by: tile.step))
      for shares in 1...min(steps, mostShares) {
        let plan = TilePlan(tile, k: product.k, shares: shares)
        let cost = plan.cost(m: product.m, n: product.n, multiprocessors: multiprocessors)
        if cost < best?.cost ?? .infinity { best = (plan, cost) }
      }
    }
    return best!.plan
  }
}
