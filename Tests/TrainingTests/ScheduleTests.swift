import Testing
import Training

struct ScheduleTests {
  /// What transformers' formulas give (optimization.py; there steps count from 0).
  @Test(
    "rates are those of transformers' schedules with three steps of warm-up in ten",
    arguments: [
      (Schedule.Kind.constant, 0.0, [1, 1, 1, 1, 1, 1, 1, 1]),
      (
        .linear, 0,
        [1, 0.8571428571428571, 0.7142857142857143, 0.5714285714285714, 0.42857142857142855, 0.2857142857142857, 0.14285714285714285, 0]
      ),
      (
        .cosine, 0,
        [
          1, 0.9504844339512095, 0.8117449009293668, 0.6112604669781572, 0.38873953302184283, 0.18825509907063326, 0.04951556604879048, 0,
        ]
      ),
      (
        .cosine, 0.1,
        [
          1, 0.9554359905560885, 0.8305704108364301, 0.6501344202803414, 0.44986557971965857, 0.26942958916356996, 0.14456400944391146, 0.1,
        ]
      ),
    ])
  func rates(kind: Schedule.Kind, floor: Double, expected: [Double]) {
    let schedule = Schedule(kind, peak: 2, floor: floor, warmUp: 3, steps: 10)
    for (index, rate) in ([0, 1.0 / 3, 2.0 / 3] + expected).enumerated() {
      #expect(abs(schedule.rate(step: index + 1) - 2 * rate) < 1e-14, "step \(index + 1)")
    }
    #expect(abs(schedule.rate(step: 20) - 2 * expected.last!) < 1e-14)
  }

  @Test("without warm-up the first step is at the peak", arguments: Schedule.Kind.allCases)
  func peak(kind: Schedule.Kind) {
    let schedule = Schedule(kind, peak: 1e-3, steps: 4)
    #expect(schedule.rate(step: 1) == 1e-3)
    #expect(abs(schedule.rate(step: 3) - (kind == .constant ? 1e-3 : 0.5e-3)) < 1e-18)
  }
}
