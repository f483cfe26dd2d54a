import Formats
import TensorCore
import Tokenization
import Transformer

/// The model that a student is to agree with, usually the one it was cut from. Nothing of it is trained and nothing recorded: its activations
/// are gone when it has read a batch.
public struct Teacher: Sendable {
  public let model: Llama

  public init(_ model: Llama) { self.model = model }

  /// Runs the teacher on a packed batch, the very same rows as the student's.
  /// - Parameters:
  ///   - ids: [N, 1] i32
  ///   - rows: whose hidden rows are wanted, [S, 1] i32; nil for all.
  ///   - streams: the teacher's layers whose entering residual stream is kept, N·C floats each.
  public func read(
    _ ids: Tensor, _ layout: PackedLayout, rows: Tensor? = nil, streams: Set<Int> = []
  ) throws(BackendError) -> TeacherRows {
    var kept: [Int: Tensor] = [:]
    // Updates go into copies of the stream where the graph does not own it: what is kept stays as it is.
    let graph =
      streams.isEmpty
      ? Eager(ownsStream: true)
      : Eager(at: [.residualIn]) { site, x in
        if streams.contains(site.layer) { kept[site.layer] = x }
        return x
      }
    let stream = try model.run(model.embed(ids, in: graph), layout, layers: 0..<model.layers.count, in: graph)
    let hidden = try model.finish(rows.map { (rows) throws(BackendError) in try stream.gathered(at: rows) } ?? stream, in: graph)
    return TeacherRows(hidden: hidden, head: model.head, streams: kept)
  }

  /// Refuses a teacher whose predictions mean something else than the student's.
  /// - Parameter sample: text to compare the tokenizers on, where their files are not the same.
  /// - Throws: `FormatError` that names the teacher.
  public static func check(_ teacher: ModelSource, for student: ModelSource, sample: String) throws(FormatError) {
    let (size, own) = (teacher.config.vocabularySize, student.config.vocabularySize)
    guard size == own else {
      throw FormatError(
        teacher.path, nil, "its vocabulary of \(size) is not that of \(student.path), \(own): it cannot teach it; take the uncut model")
    }
    // The same file, as every cut of hoof has it; or another one that reads alike.
    guard let theirs = teacher.tokenizer, let ours = student.tokenizer, theirs != ours else { return }
    let (read, expected) = (try tokenizer(theirs, at: teacher.path), try tokenizer(ours, at: student.path))
    let differing = (0..<Int32(size)).first { read.piece($0) != expected.piece($0) }
    guard differing == nil, read.bosTokens == expected.bosTokens,
      read.encode(sample, template: true) == expected.encode(sample, template: true)
    else {
      let token = differing.map { " (token \($0) is another one)" } ?? ""
      throw FormatError(
        teacher.path, nil, "its tokenizer reads text as other tokens than that of \(student.path)\(token): it cannot teach it")
    }
  }

  private static func tokenizer(_ bytes: [UInt8], at path: String) throws(FormatError) -> Tokenizer {
    do throws(TokenizerError) { return try Tokenizer(json: bytes) } catch { throw FormatError(path, "tokenizer.json", "\(error)") }
  }
}

/// What a teacher says about a batch.
public struct TeacherRows: Sendable {
  /// Rows its LM head reads, [N, D], activations.
  public let hidden: Tensor
  /// [V, D]
  public let head: Tensor
  /// By the teacher's layer, the residual stream that enters it, [N, D] f32.
  public let streams: [Int: Tensor]

  public init(hidden: Tensor, head: Tensor, streams: [Int: Tensor] = [:]) {
    self.hidden = hidden
    self.head = head
    self.streams = streams
  }
}
