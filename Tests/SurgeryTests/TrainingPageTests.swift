import JSON
import Surgery
import Testing

/// The page of a training run, from its log.
struct TrainingPageTests {
  private func page(_ log: [JSON], facts: [(String, String?)] = [("Model", "a<b"), ("Absent", nil)]) -> String {
    TrainingPage(title: "Training of x", facts: facts, findings: ["The loss went from 3 to 2."], log: log).html
  }

  private func step(_ step: Int, loss: Double) -> JSON {
    ["step": .int(step), "loss": .double(loss), "smoothed_loss": .double(loss), "grad_norm": 1.5, "lr": 1e-4]
  }

  @Test("losses, held-out losses, rates and norms are drawn, and told as numbers")
  func complete() {
    let log: [JSON] =
      [["step": 0, "held_out_loss": 3.5]] + (1...20).map { step($0, loss: 3 - Double($0) / 20) } + [
        ["step": 20, "held_out_loss": 2.25]
      ]
    let html = page(log)
    #expect(html.contains("<h2 id=\"loss\">Loss</h2>") && html.contains("Learning rate") && html.contains("Gradient norm"))
    #expect(html.contains("class=\"raw\" d=\"M") && html.contains("class=\"smooth\" d=\"M") && html.contains("class=\"heldline\" d=\"M"))
    #expect(html.contains("<title>step 20: 2.250</title>") && html.contains("<td>2.250</td>"))
    #expect(html.contains("a&lt;b") && !html.contains("Absent") && html.contains("The loss went from 3 to 2."))
    #expect(!html.contains("<script") && !html.contains("http"))
  }

  @Test("a run without held-out texts says nothing of them; one of a single step, or of none, is a page too")
  func small() {
    let html = page([step(1, loss: 2)])
    #expect(!html.contains("held out</li>") && html.contains("<title>step 1: 2.000</title>"))
    #expect(page([]).contains("</html>"))
    // A log may hold what is no number of a step.
    #expect(page([["note": "x"], ["step": 3, "loss": nil]]).contains("</html>"))
  }

  @Test("a long run is drawn with as many points as can be seen")
  func long() {
    let html = page((1...50_000).map { step($0, loss: 2) })
    #expect(html.utf8.count < 150_000, "\(html.utf8.count) bytes")
  }
}
