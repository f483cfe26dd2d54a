import Glibc
import TensorCore

/// How the net change of n questions, won minus lost, would come out in other samples of n questions: its bootstrap distribution (Efron 1979),
/// each question of a resample being won with the share of the sample, lost with its share, or unchanged. With right and wrong answers the
/// distribution has a closed form, a trinomial one, and is computed: what any number of resamples would only approach.
struct FlipDistribution: Sendable {
  /// The net change that the first probability belongs to.
  let first: Int
  /// P(net change ≤ first + index)
  let cumulative: [Double]

  init(questions: Int, lost: Int, won: Int) {
    let (n, loss, win) = (Double(questions), Double(lost) / Double(questions), Double(won) / Double(questions))
    let (losses, wins) = (Binomial.likely(of: questions, loss), Binomial.likely(of: questions, win))
    let factorials = (0...questions).map(LogFactorial.of)
    let logs = (loss: log(loss), win: log(win), same: log(Double(questions - lost - won) / n))
    first = wins.lowerBound - losses.upperBound
    var mass = [Double](repeating: 0, count: wins.upperBound - losses.lowerBound - first + 1)
    for w in wins {
      let ways = factorials[questions] - factorials[w] + LogFactorial.power(w, logs.win)
      for l in losses where w + l <= questions {
        let rest = questions - w - l
        let exponent = ways - factorials[l] - factorials[rest] + LogFactorial.power(l, logs.loss) + LogFactorial.power(rest, logs.same)
        mass[w - l - first] += exp(exponent)
      }
    }
    // Rounding and the tails that were left out: a distribution sums to 1.
    let total = mass.reduce(0, +)
    var sum = 0.0
    cumulative = mass.map { share in
      sum += share
      return sum / total
    }
  }

  /// The least net change that is reached with at least this probability.
  func quantile(_ probability: Double) -> Int {
    var (low, high) = (0, cumulative.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if cumulative[middle] >= probability { high = middle } else { low = middle + 1 }
    }
    return first + low
  }

  func draw(_ random: inout SplitMix64) -> Int { quantile(Double(random.next() >> 11) * 0x1p-53) }
}
