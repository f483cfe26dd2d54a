import Testing

@testable import Terminal

struct ProgressTests {
  @Test("nothing is printed for work under two seconds")
  func silence() {
    var meter = ProgressMeter(title: "cut", total: 10, unit: .bytes, start: 0)
    meter.advance(9, label: nil)
    #expect(meter.text(at: 1.9, style: .lines) == nil)
    #expect(meter.text(at: 1.9, style: .bar(columns: 80)) == nil)
    #expect(meter.closing(at: 1.95, style: .lines) == nil)
  }

  @Test("plain lines come every five seconds or every tenth of the work, whichever is first")
  func lines() {
    var meter = ProgressMeter(title: "cut", total: 1000, unit: .items("layers"), start: 0)
    var times: [Double] = []
    for second in stride(from: 0.5, through: 20, by: 0.5) {
      meter.advance(5, label: nil)
      if meter.text(at: second, style: .lines) != nil { times.append(second) }
    }
    #expect(times == [5, 10, 15, 20])
    meter.advance(110, label: "layer 3")
    #expect(meter.text(at: 20.5, style: .lines) == nil)
    #expect(meter.text(at: 21, style: .lines) == "cut: 31 %, 14.8 layers/s, 47 s left, layer 3\n")
    #expect(meter.closing(at: 21, style: .lines) == "cut: stopped at 31 % after 21 s\n")
  }

  @Test("parts that add up to the whole but for rounding are all of it")
  func rounding() {
    var meter = ProgressMeter(title: "cut", total: 1, unit: .items("layers"), start: 0)
    for _ in 0..<10 { meter.advance(0.1, label: nil) }
    #expect(meter.done < 1 && meter.text(at: 6, style: .lines) == "cut: 100 %, 0.17 layers/s, 0.0 s left\n")
    #expect(meter.closing(at: 6, style: .lines) == "cut: done after 6.0 s\n")
  }

  @Test("the log of a day's work stays short")
  func longWork() {
    var meter = ProgressMeter(title: "cut", total: 86_400, unit: .items("steps"), start: 0)
    var count = 0
    for second in 1...86_400 {
      meter.advance(1, label: nil)
      if meter.text(at: Double(second), style: .lines) != nil { count += 1 }
    }
    #expect((50...250).contains(count), "\(count) lines")
  }

  @Test("work done by an earlier run moves the bar but not the rate")
  func resumed() {
    var meter = ProgressMeter(title: "cut", total: 100, unit: .items("parts"), start: 0)
    meter.skip(50)
    meter.advance(10, label: nil)
    #expect(meter.text(at: 10, style: .lines) == "cut: 60 %, 1 parts/s, 40 s left\n")
  }

  @Test(
    "the bar fits its terminal at every width, is redrawn at most ten times a second, and is cleared", arguments: [10, 20, 40, 80, 300])
  func bar(columns: Int) {
    var meter = ProgressMeter(title: "writing model.hoof", total: 1e9, unit: .bytes, start: 0)
    var drawn = 0
    for step in 1...400 {
      meter.advance(2.5e6, label: nil)
      guard let text = meter.text(at: 2 + Double(step) * 0.01, style: .bar(columns: columns)) else { continue }
      drawn += 1
      let visible = text.dropFirst().dropLast(3)
      #expect(visible.count < columns || visible.count <= 10)
    }
    #expect((38...41).contains(drawn))
    #expect(meter.closing(at: 7, style: .bar(columns: columns)) == "\r\u{1B}[K")
  }

  @Test("quantities read as people write them")
  func quantities() {
    #expect([812, 1536, 15 << 20, 3 << 29].map { "\(ByteCount($0))" } == ["812 B", "1.50 KiB", "15.0 MiB", "1.50 GiB"])
    #expect([0.04, 42.4, 200, 7500, 59.7].map { "\(TimeSpan($0))" } == ["0.0 s", "42 s", "3 min 20 s", "2 h 05 min", "1 min 00 s"])
    #expect([950, 15_700_000, 999_999, 1_240_000_000].map { "\(LargeCount($0))" } == ["950", "15.7 M", "1.00 M", "1.24 G"])
    #expect([(-0.001).fixed(2), 0.005.fixed(3), 12.0.fixed(0)] == ["0.00", "0.005", "12"])
  }
}
