import PMSystem

/// A model that the vendor's list had.
struct Offer: Equatable, Sendable {
  let model: ModelIndex
  let firstSeen: WallTime
  /// By the day: written once a day, not with each list.
  var lastSeen: WallTime
  /// Nil while it is offered.
  var goneAt: WallTime?
}

/// Compares each list of the vendor with the ones before it and with the prices.
struct ModelWatch {
  enum Event: Equatable {
    case appeared(ModelIndex)
    case gone(ModelIndex)
    /// Offered, and without a price. Told with every list: whether it is news, the alarms know.
    case unpriced(ModelIndex)
    case priced(ModelIndex)
  }

  private(set) var offers: [ModelIndex: Offer] = [:]

  /// Takes up the ledger's rows.
  init(_ offers: [Offer]) {
    for offer in offers { self.offers[offer.model] = offer }
  }

  /// Looks at a list: what is news, and the offers that changed. The first list of all is no news
  /// but for its prices. An empty one is none: the vendor has nothing to sell then, or a fault.
  mutating func look(
    at offered: Set<ModelIndex>, prices: PriceTable, at time: WallTime
  ) -> (events: [Event], changed: [Offer]) {
    let listed = offered.subtracting([.unlisted]).sorted { $0.row < $1.row }
    guard !listed.isEmpty else { return ([], []) }
    let isFirst = offers.isEmpty
    var (events, changed): ([Event], [Offer]) = ([], [])
    for model in listed {
      var offer = offers[model] ?? Offer(model: model, firstSeen: time, lastSeen: time)
      let isNew = offers[model] == nil || offer.goneAt != nil
      if isNew, !isFirst { events.append(.appeared(model)) }
      if isNew || offer.lastSeen.startOfDay < time.startOfDay {
        (offer.lastSeen, offer.goneAt) = (time, nil)
        changed.append(offer)
      }
      events.append(prices.row(model, at: time) == nil ? .unpriced(model) : .priced(model))
    }
    for offer in offers.values.sorted(by: { $0.model.row < $1.model.row })
    where offer.goneAt == nil && !offered.contains(offer.model) {
      var gone = offer
      gone.goneAt = time
      changed.append(gone)
      events.append(.gone(offer.model))
    }
    for offer in changed { offers[offer.model] = offer }
    return (events, changed)
  }
}
