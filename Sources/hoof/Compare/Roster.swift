import Formats
import Surgery
import Transformer

/// The models of a comparison on their backend. Contenders that are the same model share one.
struct Roster {
  private let contenders: [Contender]
  /// For each contender, its place in `models`.
  private let places: [Int]
  /// The base first.
  let models: [Llama]
  /// Of the first contender that each of `models` is.
  let names: [String]

  /// - Parameter base: the first contender, loaded.
  init(_ contenders: [Contender], base: Llama) throws {
    var (places, models, firsts) = ([0], [base], [0])
    for (index, contender) in contenders.enumerated().dropFirst() {
      if let place = firsts.firstIndex(where: { contender.isTwin(of: contenders[$0]) }) {
        places.append(place)
        continue
      }
      places.append(models.count)
      firsts.append(index)
      models.append(try contender.load(on: base.backend, sharing: base))
    }
    self.contenders = contenders
    self.places = places
    self.models = models
    names = firsts.map { contenders[$0].name }
  }

  /// What was measured of one model.
  struct Figures {
    let outcome: Outcome
    let outOfDomain: Outcome?
    let generation: GenerationCheck?
    let tasks: [TaskFigure]
    let speed: (prefill: Throughput, decode: Throughput)
  }

  /// - Parameter figures: of the model at a place.
  func rows(_ figures: (_ place: Int) -> Figures) -> [ComparisonTable.Row] {
    zip(contenders, places).map { contender, place in
      let (figures, sizes) = (figures(place), contender.sizes)
      var row = ComparisonTable.Row(
        name: contender.name, strategy: contender.choice?.method.rawValue, amount: contender.choice?.amountText, path: contender.path,
        removedLayers: contender.removedLayers, layers: contender.config.layers.count, parameters: sizes.parameters, bytes: sizes.bytes,
        outcome: figures.outcome, prefill: figures.speed.prefill, decode: figures.speed.decode)
      (row.healing, row.outOfDomain, row.generation) = (contender.healing, figures.outOfDomain, figures.generation)
      row.tasks = figures.tasks
      return row
    }
  }
}
