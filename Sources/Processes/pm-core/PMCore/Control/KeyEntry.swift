import PMJSON
import PMSystem
import PMWire

extension KeyDetails {
  func status(at time: WallTime, isFileGone: Bool = false) -> CoreControl.KeyStatus {
    if !isUsable || isFileGone && source == .file { return .disabled }
    return isExpired(at: time) ? .expired : .enabled
  }

  /// The key as it is listed.
  func entry(
    at time: WallTime, isFileGone: Bool = false, secret: String? = nil
  ) -> CoreControl.KeyEntry {
    CoreControl.KeyEntry(
      id: id, description: description, status: status(at: time, isFileGone: isFileGone),
      isEnabled: isUsable, createdAt: createdAt, expiresAt: expiresAt, limits: limits,
      policy: policy, revokedAt: revokedAt, rotatedAt: rotatedAt, rotatedFrom: rotatedFrom,
      rotatedTo: rotatedTo, secretEnds: liveSecrets(at: time).map(\.closesAt),
      source: source.word, isWeak: isWeak,
      lastUsed: lastUsedDay.map { WallTime(seconds: Int64($0) * 86_400) }, secret: secret)
  }

  /// Answer of `/auth/key-info`: these five members in this order.
  var keyInfo: String {
    let info: JSONValue = [
      "key_id": .string(id), "created_at": createdAt.unixSeconds,
      "expires_at": expiresAt?.unixSeconds ?? .null,
      "rate_limit": limits.requests.map { .integer(Int64($0)) } ?? .null,
      "description": .string(description),
    ]
    return info.text
  }
}

extension KeyRecord {
  /// Answer of `/v1/key`: everything that its holder may know, and how far the limits that bind it
  /// are used up.
  func ownEntry(_ decision: LimitDecision, _ tokens: TokenStanding?, at time: WallTime) -> String {
    let window: JSONValue = [
      "scope": decision.scope == .key ? "key" : "global",
      "limit": .integer(Int64(decision.limit)), "remaining": .integer(Int64(decision.remaining)),
      "resets_at": .integer(decision.resetUnixSeconds),
    ]
    var object = details.entry(at: time).json.object ?? JSONObject()
    object["object"] = "key"
    object["requests"] = window
    object["tokens"] = tokens.map { standing in
      [
        "limit": .integer(standing.limit), "remaining": .integer(standing.remaining),
        "resets_at": .integer(time.seconds + Int64(standing.resetSeconds)),
      ]
    }
    object["running_requests"] = .integer(Int64(allowance.running))
    object["day_budget"] = budget(.day, endsOn: time.day + 1)
    object["month_budget"] = budget(
      .month, endsOn: WallTime(day: time.startOfMonth.day + 31).startOfMonth.day)
    return JSONValue.object(object).text
  }

  /// How a budget of its own stands; open reservations count as spent.
  private func budget(_ span: BudgetSpan, endsOn day: Int64) -> JSONValue {
    guard let limit = allowance.budget(span), let left = allowance.left(span) else { return .null }
    let spent = allowance.used(span)
    return [
      "limit_nano_euro": .integer(limit), "spent_nano_euro": .integer(spent),
      "left_nano_euro": .integer(left), "limit_eur": .string(Euro.text(nanoEuro: limit)),
      "spent_eur": .string(Euro.text(nanoEuro: spent)),
      "left_eur": .string(Euro.text(nanoEuro: left)),
      "resets_at": .integer(WallTime(day: day).seconds),
    ]
  }
}
