import Glibc

/// A share of every layer's update that is let through: nearly all before and behind a block of `length` layers, nearly nothing in it.
///
///     g_i = 1 - σ(k·(i - s + ½))·σ(k·(s + n - ½ - i))
///
/// with start s, length n, sharpness k. At an integer s and a high k exactly layers s ..< s + n are shut; at a low k the gate is a wide, shallow
/// dip that feels what layers further away would cost. s is any real number, so the gate has a slope to follow.
struct ConcaveGate: Equatable {
  var start: Double
  let length: Int
  var sharpness: Double

  /// g_i of every layer, 0 ... 1.
  func values(layers: Int) -> [Double] { (0..<layers).map { 1 - rise($0) * fall($0) } }

  /// dg_i/ds of every layer.
  func slopes(layers: Int) -> [Double] {
    (0..<layers).map { sharpness * rise($0) * fall($0) * (fall($0) - rise($0)) }
  }

  private func rise(_ layer: Int) -> Double { ConcaveGate.sigmoid(sharpness * (Double(layer) - start + 0.5)) }
  private func fall(_ layer: Int) -> Double { ConcaveGate.sigmoid(sharpness * (start + Double(length) - 0.5 - Double(layer))) }

  private static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
}
