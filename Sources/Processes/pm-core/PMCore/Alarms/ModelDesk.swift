import PMSystem

/// Raises and ends the alarms about models: what the vendor offers, and what has no price.
final class ModelDesk {
  private let models: ModelTable
  private let prices: PriceTable
  private let alarms: AlarmBook
  private var watch: ModelWatch

  init(_ models: ModelTable, _ prices: PriceTable, _ alarms: AlarmBook, offers: [Offer]) {
    (self.models, self.prices, self.alarms) = (models, prices, alarms)
    watch = ModelWatch(offers)
  }

  /// The vendor has given its list.
  func take(_ offered: Set<ModelIndex>, at time: WallTime) {
    let (events, changed) = watch.look(at: offered, prices: prices, at: time)
    if !changed.isEmpty { alarms.onChange(changed.map { .putOffer($0) }) }
    for event in events {
      switch event {
      case .appeared(let model):
        alarms.end(.modelGone, subject(model), at: time)
        alarms.raise(.modelAppeared, subject(model), at: time)
      case .gone(let model):
        for kind in [AlarmKind.modelAppeared, .modelUnpriced] {
          alarms.end(kind, subject(model), at: time)
        }
        alarms.raise(.modelGone, subject(model), at: time)
      case .unpriced(let model): usedWithoutPrice(model, at: time)
      case .priced(let model): alarms.end(.modelUnpriced, subject(model), at: time)
      }
    }
  }

  /// A model was used, or is offered, that has no price.
  func usedWithoutPrice(_ model: ModelIndex, at time: WallTime) {
    alarms.raise(.modelUnpriced, subject(model), at: time)
  }

  /// Prices were added: alarms that lacked them end.
  func pricesChanged(at time: WallTime) {
    for case .model(let name) in alarms.alarms.map(\.subject)
    where prices.row(model: name, at: time) != nil {
      alarms.end(.modelUnpriced, .model(name), at: time)
    }
  }

  private func subject(_ model: ModelIndex) -> AlarmSubject { .model(models.name(model)) }
}
