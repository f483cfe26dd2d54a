import TensorCore
import Testing

struct DynamicCodeTests {
  /// Entries of `create_dynamic_map(signed)` of bitsandbytes, sorted; worked out from its description in double precision.
  @Test("bytes mean what bitsandbytes' sorted maps say")
  func values() {
    let signed: [(Int, Double)] = [
      (0, -0.99296875), (1, -0.97890625), (63, -0.10703125), (100, -0.00746875), (126, -5.5e-07), (127, 0), (128, 5.5e-07), (129, 3.25e-06),
      (130, 7.75e-06), (131, 2.125e-05), (150, 0.00521875), (190, 0.09859375), (191, 0.10703125), (192, 0.12109375), (254, 0.99296875),
      (255, 1),
    ]
    let unsigned: [(Int, Double)] = [
      (0, 0), (1, 3.25e-07), (63, 0.010703125), (100, 0.062734375), (126, 0.099296875), (127, 0.103515625), (128, 0.110546875),
      (190, 0.546484375), (254, 0.996484375), (255, 1),
    ]
    for (code, expected) in [(DynamicCode.signed, signed), (.unsigned, unsigned)] {
      let values = code.values
      #expect(values.count == 256 && zip(values, values.dropFirst()).allSatisfy(<))
      for (byte, value) in expected { #expect(abs(Double(values[byte]) - value) <= abs(value) * 2e-7, "byte \(byte)") }
    }
  }

  @Test("a value has its own code, and a number one within half a bin", arguments: [DynamicCode.signed, .unsigned])
  func codes(_ code: DynamicCode) {
    let values = code.values
    for byte in 0..<256 { #expect(Int(code.code(of: values[byte])) == byte) }
    // Bins of decade i are 0.9·10^(i-6)/n wide.
    for i in 1...200_000 {
      let x = Float(i) / 200_000
      let decade = x >= 0.1 ? 6 : x >= 0.01 ? 5 : x >= 0.001 ? 4 : x >= 1e-4 ? 3 : 2
      let n = Float(1 << decade) * (code == .signed ? 1 : 2), width = 0.9 * [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1][decade] / n
      let error = abs(values[Int(code.code(of: x))] - x)
      #expect(error <= 0.5 * width * 1.001, "\(x)")
      if error > 0.5 * width * 1.001 { return }
    }
  }

  @Test("the ends of the range: zeros, what is nearly zero, one, and what is no number")
  func ends() {
    #expect(DynamicCode.signed.code(of: 0) == 127 && DynamicCode.signed.code(of: -0.0) == 127 && DynamicCode.signed.code(of: -9e-8) == 127)
    #expect(DynamicCode.signed.code(of: 1) == 255 && DynamicCode.signed.code(of: -1) == 0)
    #expect(DynamicCode.unsigned.code(of: 0) == 0 && DynamicCode.unsigned.code(of: 1e-30) == 1 && DynamicCode.unsigned.code(of: 1) == 255)
    // Any code will do, the program has to go on.
    for code in [DynamicCode.signed, .unsigned] { _ = [Float.nan, .infinity, -.infinity].map(code.code) }
  }
}
