import Formats
import JSON
import TensorCore

extension Trainer {
  /// Writes everything the next step depends on. The file appears only when it is complete: whatever happens meanwhile, an earlier one stays.
  /// - Parameters:
  ///   - run: what determines the run's numbers; `resume` wants the same.
  ///   - notes: whatever else is to be remembered.
  /// - Throws: `FormatError` for a full disk, `BackendError`.
  public func save(to path: String, run: JSON.Object, notes: JSON.Object = [:]) throws {
    let state = optimizer.state
    let kept = best.map { zip(trainee.trained, $0.values).map { (parameter: $0, bytes: $1) } } ?? []
    var entries: [TrainingCheckpoint.Entry] = []
    var end = TrainingCheckpoint.alignment
    func lay(_ name: String, _ tensor: Tensor) {
      let entry = TrainingCheckpoint.Entry(name: name, dtype: tensor.dtype, shape: tensor.shape, offset: end)
      entries.append(entry)
      end = (end + entry.byteCount + TrainingCheckpoint.alignment - 1) / TrainingCheckpoint.alignment * TrainingCheckpoint.alignment
    }
    for (name, tensor) in state { lay(name, tensor) }
    for (parameter, _) in kept { lay(Trainer.keptName(parameter.name), parameter.value) }

    func header() -> [UInt8] {
      var object: JSON.Object = [
        "run": .object(run), "progress": progress.json, "memory": memory.json, "notes": .object(notes),
        "tensors": .array(entries.map(\.json)),
      ]
      if let best { object["best"] = ["step": .int(best.step), "held_out": .double(best.heldOut)] }
      return Array(JSON.object(object).text().utf8)
    }
    let headerBytes = header().count
    let output = try OutputFile(path: path, byteCount: end + headerBytes, replacing: true)
    for (index, (_, tensor)) in state.enumerated() {
      entries[index].checksum = try Trainer.write(tensor, to: output, at: entries[index].offset)
    }
    for (index, (_, bytes)) in kept.enumerated() {
      let place = state.count + index
      try output.write(bytes, at: entries[place].offset)
      entries[place].checksum = CRC32C.sum(bytes)
    }
    let finished = header()
    precondition(finished.count == headerBytes, "checkpoint: a header of \(finished.count) bytes, not \(headerBytes)")
    var prefix = TrainingCheckpoint.magic
    for number in [UInt64(end - 64), UInt64(headerBytes), UInt64(CRC32C.sum(finished))] {
      prefix += (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }
    try output.write(prefix, at: 0)
    try output.write(finished, at: end)
    try output.commit()
  }

  private static func keptName(_ name: String) -> String { "best/\(name)" }

  /// Through a small buffer: the host may have less memory than the device.
  private static func write(_ tensor: Tensor, to output: OutputFile, at offset: Int) throws -> UInt32 {
    let step = max(1, (32 << 20) / max(1, tensor.rowBytes))
    var sum: UInt32 = 0
    for start in stride(from: 0, to: tensor.rows, by: step) {
      let bytes = try tensor.rows(start..<min(start + step, tensor.rows)).bytes()
      try output.write(bytes, at: offset + start * tensor.rowBytes)
      sum = CRC32C.sum(bytes, after: sum)
    }
    return sum
  }

  /// Goes on from where `checkpoint` was saved.
  /// - Throws: `FormatError` when it is another run's, in one line that says why; `BackendError`.
  public func resume(_ checkpoint: TrainingCheckpoint, run: JSON.Object) throws {
    if let difference = checkpoint.difference(from: run) {
      throw FormatError(
        checkpoint.path, nil, "belongs to another run: \(difference); repeat that run's command, or remove the file to start afresh")
    }
    let byName = Dictionary(checkpoint.entries.map { ($0.name, $0) }) { first, _ in first }
    func entry(_ name: String, _ tensor: Tensor) throws(FormatError) -> TrainingCheckpoint.Entry {
      guard let entry = byName[name], entry.dtype == tensor.dtype, entry.shape == tensor.shape else {
        throw FormatError(checkpoint.path, name, "is not the tensor this run has; remove the file to start afresh")
      }
      return entry
    }
    for (name, tensor) in optimizer.state { try tensor.backend.upload(checkpoint.bytes(of: entry(name, tensor)), into: tensor) }
    optimizer.roundMasters()
    if let kept = checkpoint.best {
      let values = try trainee.trained.map { Array(checkpoint.bytes(of: try entry(Trainer.keptName($0.name), $0.value))) }
      best = KeptState(step: kept.step, heldOut: kept.heldOut, values: values)
    }
    progress = checkpoint.progress
    memory = checkpoint.memory
  }
}
