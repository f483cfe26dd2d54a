import CKernels
import TensorCore

extension CPUBackend {
  public func attention(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, into out: Tensor, logSumExp: Tensor) {
    Check.attention(q: q, k: k, v: v, spans, shape, out: out, logSumExp: logSumExp)
    let call = hoof_attention(q, k, v, out, logSumExp, shape)
    let jobs = attentionJobs(spans, shape, queryRows: q.rows, keyRows: k.rows, queriesPerJob: Int(hoof_attention_queries))
    run(jobs.joined(), call, shape, scratch: hoof_attention_scratch) { call, job, scratch in
      hoof_attention_forward(simd, call, job, scratch)
    }
  }

  public func attentionBackward(
    _ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape, dq: Tensor,
    dk: Tensor, dv: Tensor
  ) {
    Check.attentionBackward(dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, spans, shape, dq: dq, dk: dk, dv: dv)
    for gradient in [dq, dk, dv] { fill(gradient, with: 0) }
    let call = hoof_attention(q, k, v, out, logSumExp, shape)
    var gradients = hoof_attention_gradients(d_out: dOut.f32, dq: dq.f32, dk: dk.f32, dv: dv.f32)
    let jobs = attentionJobs(spans, shape, queryRows: q.rows, keyRows: k.rows, queriesPerJob: .max)
    withUnsafePointer(to: &gradients) { gradients in
      // Sequences that share keys add to the same rows, one after the other; all others are independent.
      let rounds = keysAreDisjoint(spans) ? [Array(jobs.joined())] : jobs
      for round in rounds {
        run(round, call, shape, scratch: hoof_attention_backward_scratch) { call, job, scratch in
          hoof_attention_backward(simd, call, gradients, job, scratch)
        }
      }
    }
  }

  /// One job per key head of each stretch of queries; one array per sequence.
  private func attentionJobs(
    _ spans: Spans, _ shape: AttentionShape, queryRows: Int, keyRows: Int, queriesPerJob: Int
  ) -> [[hoof_attention_job]] {
    let starts = spans.queryStarts.i32
    return (0..<spans.count).map { b in
      let first = Int(starts[b]), end = Int(starts[b + 1])
      let keyRow = Int(spans.keyStarts.i32[b]), keys = Int(spans.keyCounts.i32[b])
      precondition(
        first >= 0 && first <= end && end <= queryRows && keyRow >= 0 && keys >= 0 && keyRow + keys <= keyRows,
        "attention: sequence \(b) reads queries \(first)..<\(end) of \(queryRows) and keys \(keyRow)..<\(keyRow + keys) of \(keyRows)")
      var jobs: [hoof_attention_job] = []
      // The last stretch first: under a causal mask it is the longest.
      var upper = end
      while upper > first {
        let lower = max(first, upper - min(queriesPerJob, upper - first))
        for head in 0..<shape.keyHeads {
          let visible = shape.causal ? keys - end + lower + 1 : keys
          jobs.append(
            hoof_attention_job(
              query_row: lower, queries: upper - lower, key_row: keyRow, keys: keys, key_head: head, visible: visible,
              visible_step: shape.causal ? 1 : 0))
        }
        upper = lower
      }
      return jobs
    }
  }

  private func run(
    _ jobs: some Sequence<hoof_attention_job>, _ call: hoof_attention, _ shape: AttentionShape,
    scratch bytes: (UnsafePointer<hoof_attention>, UnsafePointer<hoof_attention_job>) -> Int,
    _ body: (UnsafePointer<hoof_attention>, UnsafePointer<hoof_attention_job>, UnsafeMutablePointer<Float>) -> Void
  ) {
    let jobs = Array(jobs)
    guard !jobs.isEmpty, shape.headDim > 0 else { return }
    var call = call
    withUnsafePointer(to: &call) { call in
      jobs.withUnsafeBufferPointer { jobs in
        // Work per job: pairs of queries and keys, all heads of the group.
        let work = jobs.reduce(0) { $0 + $1.queries * $1.keys * shape.headDim * (shape.queryHeads / shape.keyHeads) } / jobs.count
        parallel(jobs.count, grain: max(1, 32_768 / max(1, work))) { range in
          let size = range.reduce(0) { max($0, bytes(call, jobs.baseAddress! + $1)) }
          withScratch(bytes: size) { scratch in
            for job in range { body(call, jobs.baseAddress! + job, scratch.assumingMemoryBound(to: Float.self)) }
          }
        }
      }
    }
  }

  private func keysAreDisjoint(_ spans: Spans) -> Bool {
    let ranges = (0..<spans.count).map { (start: spans.keyStarts.i32[$0], count: spans.keyCounts.i32[$0]) }.filter { $0.count > 0 }
    let sorted = ranges.sorted { $0.start < $1.start }
    return zip(sorted, sorted.dropFirst()).allSatisfy { $0.start + $0.count <= $1.start }
  }
}

extension hoof_attention {
  init(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ out: Tensor, _ logSumExp: Tensor, _ shape: AttentionShape) {
    self.init(
      q: q.f32, k: k.f32, v: v.f32, out: out.f32, log_sum_exp: logSumExp.f32, query_stride: q.columns, key_stride: k.columns,
      log_sum_exp_stride: logSumExp.columns, head_dim: shape.headDim, group: shape.queryHeads / shape.keyHeads, scale: shape.scale)
  }
}
