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

  /// Answer of `/v1/key`: everything that its holder may know, and how far the window that binds
  /// its requests is used up.
  func ownEntry(_ decision: LimitDecision, at time: WallTime) -> String {
    let window: JSONValue = [
      "scope": decision.scope == .key ? "key" : "global",
      "limit": .integer(Int64(decision.limit)), "remaining": .integer(Int64(decision.remaining)),
      "resets_at": .integer(decision.resetUnixSeconds),
    ]
    var object = entry(at: time).json.object ?? JSONObject()
    object["object"] = "key"
    object["requests"] = window
    return JSONValue.object(object).text
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
