import Dispatch
import Synchronization
import TensorCore

/// Makes the bytes of many tensors, a few rows at a time on all threads, and hands them to whoever writes them. A model never lies in memory.
struct WeightStream {
  let tensors: [PaddedTensor]
  /// What is written, for messages.
  let path: String

  /// About this much of a tensor is made at a time by each thread.
  private static let blockBytes = 1 << 20

  private struct Block {
    let tensor: Int
    let rows: Range<Int>
  }

  /// Takes bytes of tensor `tensor` from its byte `offset` on; called from several threads.
  typealias Sink = @Sendable (_ tensor: Int, _ offset: Int, _ bytes: UnsafeRawBufferPointer) throws(FormatError) -> Void

  /// - Parameter progress: bytes read so far and in all.
  func run(threads: Int, progress: ModelImport.Progress, into sink: Sink) throws(FormatError) {
    let all = tensors.indices.map { blocks(of: $0) }
    let isMade = tensors.map { tensor in if case .made? = tensor.item?.content { true } else { false } }
    // Who makes rows is never asked by two threads at once.
    let shared = all.indices.filter { !isMade[$0] }.flatMap { all[$0] }
    let alone = all.indices.filter { isMade[$0] }.flatMap { all[$0] }
    let total = tensors.reduce(0) { $0 + $1.inputBytes }
    let state = Mutex(State())
    @Sendable func write(_ block: Block, _ rows: inout PaddedRows) -> Bool {
      let tensor = tensors[block.tensor]
      do throws(FormatError) {
        try rows.make(tensor, rows: block.rows, path: path) { bytes throws(FormatError) in
          try sink(block.tensor, block.rows.lowerBound * tensor.rowBytes, bytes)
        }
        let share = tensor.shape.rows == 0 ? 0 : tensor.inputBytes * block.rows.count / tensor.shape.rows
        return state.withLock { state in
          state.done += share
          if state.failure == nil, !progress(state.done, total) { state.failure = FormatError(path, nil, "stopped; nothing was written") }
          return state.failure == nil
        }
      } catch {
        state.withLock { $0.failure = $0.failure ?? error }
        return false
      }
    }
    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: max(1, min(threads, shared.count))) { _ in
      var rows = PaddedRows()
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < shared.count, write(shared[index], &rows) else { return }
      }
    }
    var rows = PaddedRows()
    for block in alone where state.withLock({ $0.failure == nil }) { _ = write(block, &rows) }
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  private func blocks(of index: Int) -> [Block] {
    let tensor = tensors[index]
    let step = tensor.step(bytes: WeightStream.blockBytes)
    return stride(from: 0, to: tensor.shape.rows, by: step).map {
      Block(tensor: index, rows: $0..<min($0 + step, tensor.shape.rows))
    }
  }

  private struct State {
    var done = 0
    var failure: FormatError?
  }
}
