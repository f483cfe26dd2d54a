import BackendCPU
import JSON
import TensorCore
import TensorTesting
import Testing

@Suite(.serialized) struct OpBenchmarkTests {
  private func small() -> OpBenchmark {
    OpBenchmark(
      OpCatalogue.agreement.filter { ["rmsNorm", "add"].contains($0.name) && $0.shapes.hasPrefix("[41, 123]") }, secondsPerCase: 0.001)
  }

  @Test("a row holds the median time and the rates that follow from it")
  func rows() throws {
    let peaks = MachinePeaks(read: 1e10, copy: 1e10, sgemm: 1e11)
    let rows = try small().rows(on: ReferenceBackend(), peaks: peaks)
    #expect(rows.map(\.name) == ["add", "rmsNorm"])
    for row in rows {
      #expect(row.seconds > 0 && row.repetitions >= 3)
      let read = try #require(row.readBetween, "what memory gave between the repetitions is the roof")
      #expect(row.roof == "memory" && abs(row.share - row.bytesPerSecond / read) < 1e-9 * row.share)
      #expect(row.bytesPerSecond == Double(row.bytes) / row.seconds)
    }
  }

  @Test("cases are chosen by words of their description")
  func choice() {
    #expect(OpBenchmark(matching: "matmul q4_K 16384").cases.map(\.shapes) == ["[1, 8192]·[16384, 8192]ᵀ", "[64, 8192]·[16384, 8192]ᵀ"])
    #expect(OpBenchmark(matching: "no such op").cases.isEmpty)
    #expect(OpBenchmark().cases.count == OpCatalogue.benchmark.count)
  }

  @Test("table and JSON name unit, shape, backend and share of the roof for every row; the JSON reads back")
  func output() throws {
    let report = try small().report(on: [CPUBackend(threads: 1)])
    let table = report.table()
    for part in ["GB/s", "GFLOP/s", "[41, 123]", "cpu", "% memory", "sgemm", "processor"] { #expect(table.contains(part), "\(part)") }
    let lines = table.split(separator: "\n").filter { $0.hasPrefix("|") }
    #expect(lines.count == 4 && Set(lines.map(\.count)).count == 1)
    let json = try JSON(parsing: report.json().text(pretty: true))
    #expect(json["rows"]?.array?.count == 2 && json["peaks"]?.array?.count == 1)
    #expect((json["rows"]?.array?.first?["median_ns"]?.int ?? 0) > 0)
  }

  @Test("benchmark cases have names of their own")
  func names() { #expect(Set(OpCatalogue.benchmark.map(\.description)).count == OpCatalogue.benchmark.count) }
}
