public import PMJSON
public import PMSystem

extension CoreControl {
  /// An alarm in answers; which members of its subject it has depends on its kind.
  public struct AlarmEntry: Equatable, Sendable {
    public var row: Int64
    /// `model_appeared`, `model_gone`, `model_unpriced`, `budget_near` or `budget_spent`.
    public var kind: String
    public var model: String?
    /// Of a budget; nil if it is that of all keys together.
    public var keyID: String?
    /// Of a budget: a UTC day or month, `2026-11-22` or `2026-11`.
    public var period: String?
    public var since: WallTime
    public var acknowledgedAt: WallTime?
    public var endedAt: WallTime?

    public init(row: Int64, kind: String, since: WallTime) {
      (self.row, self.kind, self.since) = (row, kind, since)
    }

    public init?(_ json: JSONValue) {
      func time(_ name: String) -> WallTime? { json[name].flatMap { WallTime(json: $0) } }
      guard let row = json["row"]?.integer, let kind = json["kind"]?.string,
        let since = time("since")
      else { return nil }
      self.init(row: row, kind: kind, since: since)
      (model, keyID) = (json["model"]?.string, json["key_id"]?.string)
      period = json["period"]?.string
      (acknowledgedAt, endedAt) = (time("acknowledged_at"), time("ended_at"))
    }

    /// Somebody has seen it, or its cause has ceased.
    public var isPast: Bool { acknowledgedAt != nil || endedAt != nil }

    public var json: JSONValue {
      func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
      func time(_ value: WallTime?) -> JSONValue { text(value?.civil.rfc3339) }
      var object: JSONObject = ["row": .integer(row), "kind": .string(kind)]
      if model != nil { object["model"] = text(model) }
      if period != nil { (object["key_id"], object["period"]) = (text(keyID), text(period)) }
      object["since"] = time(since)
      object["acknowledged_at"] = time(acknowledgedAt)
      object["ended_at"] = time(endedAt)
      return .object(object)
    }
  }
}
