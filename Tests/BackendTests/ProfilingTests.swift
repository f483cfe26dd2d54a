import BackendCPU
import TensorCore
import TensorTesting
import Testing

@Suite(.serialized) struct ProfilingTests {
  @Test("a profiled backend computes the same bits, whatever the op", arguments: OpCatalogue.agreement)
  func same(_ item: OpCase) throws {
    let plain = try item.run(on: CPUBackend(threads: 1), seed: 1)
    let profiled = try item.run(on: ProfilingBackend(CPUBackend(threads: 1)), seed: 1)
    #expect(profiled.trespasses.isEmpty && profiled.outputs.map(\.name) == plain.outputs.map(\.name))
    for (a, b) in zip(profiled.outputs, plain.outputs) { #expect(a.values.map(\.bitPattern) == b.values.map(\.bitPattern)) }
  }

  /// Ops that have a body of their own in the protocol's extension would fall apart into others if they were not forwarded.
  @Test("every op is counted under its own name, once for each call")
  func names() throws {
    for item in OpCatalogue.agreement {
      let backend = ProfilingBackend(CPUBackend(threads: 1))
      _ = try item.run(on: backend, seed: 1)
      let op = item.name.prefix { $0.isLetter }
      let entries = backend.profile().entries.filter { !["upload", "download"].contains($0.name) }
      #expect(entries.count == 1 && entries[0].name.hasPrefix(op) && entries[0].calls == 1, "\(item): \(entries.map(\.name))")
    }
  }

  @Test("products are counted with their operations, attention with the pairs it looks at")
  func operations() throws {
    let backend = ProfilingBackend(CPUBackend(threads: 1))
    let x = try Tensor(5, 16, on: backend)
    let weight = try Tensor(7, 16, on: backend)
    backend.fill(x, with: 1)
    backend.fill(weight, with: 1)
    _ = try x.linear(weight)
    // Two queries see keys 0...3 and 0...4; three see 0, 0...1 and 0...2.
    let spans = Spans(
      queryStarts: try Tensor([0, 2, 5], on: backend), keyStarts: try Tensor([0, 5], on: backend),
      keyCounts: try Tensor([5, 3], on: backend), count: 2, longestQuery: 3)
    let keys = try Tensor(8, 8, on: backend)
    backend.fill(keys, with: 1)
    let out = try x.like()
    let shape = AttentionShape(queryHeads: 2, keyHeads: 1, headDim: 8, scale: 1)
    backend.attention(q: x, k: keys, v: keys, spans, shape, into: out, logSumExp: try Tensor(5, 2, on: backend))
    let entries = backend.profile().entries
    #expect(entries.first { $0.name == "matmul right f32 [7, 16]" }?.flops == Double(2 * 5 * 16 * 7))
    #expect(entries.first { $0.name == "attention" }?.flops == Double(4 * (4 + 5 + 1 + 2 + 3) * 16))
    #expect(entries.first { $0.name == "fill" }?.calls == 3)
  }
}
