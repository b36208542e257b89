import PMSystem
import PMWire

/// What an administrator has to know of. The words are those of the ledger and of the interface.
enum AlarmKind: String, CaseIterable, Sendable {
  /// The vendor offers a model that it did not offer.
  case modelAppeared = "model_appeared"
  /// The vendor does not offer a model any more; there is no other warning.
  case modelGone = "model_gone"
  /// A model that the vendor offers, or that was used, has no price.
  case modelUnpriced = "model_unpriced"
  case budgetNear = "budget_near"
  case budgetSpent = "budget_spent"
}

/// What an alarm is about; nothing in it comes from a request.
enum AlarmSubject: Hashable, Sendable {
  /// A name of the table of models.
  case model(String)
  /// Of one key, or (nil) of all together; `period` is a day or a month as RFC 3339 begins.
  case budget(key: String?, period: String)

  /// As the ledger keeps it. Ids of keys hold neither blanks nor stars.
  var text: String {
    switch self {
    case .model(let name): name
    case .budget(let key, let period): "\(key ?? "*") \(period)"
    }
  }

  init(_ kind: AlarmKind, text: String) {
    switch kind {
    case .modelAppeared, .modelGone, .modelUnpriced: self = .model(text)
    case .budgetNear, .budgetSpent:
      let words = text.split(separator: " ", maxSplits: 1).map { String($0) }
      self = .budget(key: words.first == "*" ? nil : words.first, period: words.last ?? "")
    }
  }
}

/// One alarm: raised once, however often its cause is met again until it ends.
struct RaisedAlarm: Equatable, Sendable {
  /// Number in the ledger; later alarms have higher ones.
  let row: Int64
  let kind: AlarmKind
  let subject: AlarmSubject
  let since: WallTime
  /// Somebody has seen it.
  var acknowledgedAt: WallTime?
  /// Its cause has ceased.
  var endedAt: WallTime?

  /// Nobody needs it any more.
  var isPast: Bool { acknowledgedAt != nil || endedAt != nil }

  var entry: CoreControl.AlarmEntry {
    var entry = CoreControl.AlarmEntry(row: row, kind: kind.rawValue, since: since)
    switch subject {
    case .model(let name): entry.model = name
    case .budget(let key, let period): (entry.keyID, entry.period) = (key, period)
    }
    (entry.acknowledgedAt, entry.endedAt) = (acknowledgedAt, endedAt)
    return entry
  }
}
