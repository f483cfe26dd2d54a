/// How a result differs from the reference's.
public struct OpComparison: Sendable {
  /// The largest error of all outputs, in the measure of `Tolerance.limit`.
  public private(set) var error = 0.0
  /// One sentence for each thing wrong; empty if the results agree.
  public private(set) var complaints: [String]

  public init(_ result: OpResult, with reference: OpResult, _ tolerance: Tolerance) {
    complaints = result.trespasses
    for (output, expected) in zip(result.outputs, reference.outputs) { compare(output, expected, tolerance) }
  }

  private mutating func compare(_ output: OpOutput, _ expected: OpOutput, _ tolerance: Tolerance) {
    precondition(output.name == expected.name && output.values.count == expected.values.count)
    // Integers are positions: there is no nearly right one.
    let ownLimit = tolerance.limits[output.name] ?? tolerance.limit
    let isExact = ownLimit == 0 || expected.dtype == .i32
    var (difference, power, finite) = (0.0, 0.0, 0)
    var special: (count: Int, first: Int) = (0, 0)
    var wrong: (count: Int, first: Int) = (0, 0)
    for i in output.values.indices {
      let (x, r) = (Double(output.values[i]), Double(expected.values[i]))
      if !x.isFinite || !r.isFinite {
        if !(x == r || x.isNaN && r.isNaN) { special = (special.count + 1, special.count == 0 ? i : special.first) }
      } else {
        difference += (x - r) * (x - r)
        power += r * r + tolerance.absolute * tolerance.absolute
        finite += 1
        if isExact, x != r { wrong = (wrong.count + 1, wrong.count == 0 ? i : wrong.first) }
      }
    }
    func value(_ i: Int) -> String { "first at \(i): \(output.values[i]), expected \(expected.values[i])" }
    if special.count > 0 {
      complaints.append("\(output.name): \(special.count) values not NaN or infinite as expected, \(value(special.first))")
    }
    if wrong.count > 0 { complaints.append("\(output.name): \(wrong.count) values not equal, \(value(wrong.first))") }
    guard !isExact, finite > 0, difference > 0 else { return }

    let limit = expected.dtype == .f32 ? ownLimit : max(ownLimit, Tolerance.narrow)
    let nmse = difference / power
    error = max(error, nmse)
    if nmse > limit { complaints.append("\(output.name): error \(nmse) above \(limit) (\(tolerance.reason))") }
    // A single wrong value among a million must not hide in the mean.
    let (typical, root) = ((power / Double(finite)).squareRoot(), limit.squareRoot())
    let outlier = output.values.indices.first { i in
      let (x, r) = (Double(output.values[i]), Double(expected.values[i]))
      return x.isFinite && r.isFinite && abs(x - r) > OpComparison.outlier * root * (abs(r) + typical)
    }
    if let outlier { complaints.append("\(output.name): a value far off among good ones, \(value(outlier))") }
  }

  /// Errors of single values are allowed this many times the root of the limit: the largest of a million normal ones is 5.
  private static let outlier = 30.0
}
