import Glibc
import TensorCore

extension Definition {
  public static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
}

extension ReferenceBackend {
  public func copy(_ x: Tensor, into out: Tensor) {
    Check.copy(x, into: out)
    if x.dtype == out.dtype { copyBytes(x, into: out) } else { store(load(x), into: out) }
  }

  public func fill(_ out: Tensor, with value: Float) {
    Check.fill(out)
    store(Matrix(out.rows, out.columns, repeating: Double(value)), into: out)
  }

  public func add(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.elementwise("add", a, b, into: out)
    store(load(a).zip(load(b), +), into: out)
  }

  public func addScaled(_ x: Tensor, by alpha: Float, into y: Tensor) {
    Check.elementwise("addScaled", x, into: y)
    store(load(y).zip(load(x)) { $0 + Double(alpha) * $1 }, into: y)
  }

  public func multiply(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.elementwise("multiply", a, b, into: out)
    store(load(a).zip(load(b), *), into: out)
  }

  public func sigmoid(_ x: Tensor, into out: Tensor) {
    Check.elementwise("sigmoid", x, into: out)
    store(load(x).map(Definition.sigmoid), into: out)
  }

  public func dropout(_ x: Tensor, keeping: Float, seed: UInt64, into out: Tensor) {
    Check.elementwise("dropout", x, into: out)
    let rule = DropoutRule(keeping: keeping, seed: seed)
    var values = load(x)
    // f32 and not Double: bits have to be equal.
    for i in values.values.indices { values.values[i] = rule.keeps(i) ? Double(Float(values.values[i]) * rule.scale) : 0 }
    store(values, into: out)
  }
}
