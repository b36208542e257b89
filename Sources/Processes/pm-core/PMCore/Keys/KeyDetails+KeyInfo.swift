import PMJSON
import PMSystem

extension KeyDetails {
  /// The answer of `/auth/key-info`: the predecessor's five members, in its order.
  var keyInfo: String {
    let info: JSONValue = [
      "key_id": .string(id), "created_at": .decimal(createdAt.unixSecondsText),
      "expires_at": expiresAt.map { .decimal($0.unixSecondsText) } ?? .null,
      "rate_limit": rateLimit.map { .integer(Int64($0)) } ?? .null,
      "description": .string(description),
    ]
    return info.text
  }
}

extension WallTime {
  /// Unix seconds with a fraction, as the predecessor wrote times: `1741000000.25`.
  var unixSecondsText: String {
    let rest = microseconds - seconds * 1_000_000
    var fraction = String(String(1_000_000 + rest).dropFirst())
    while fraction.utf8.count > 1, fraction.hasSuffix("0") { fraction.removeLast() }
    return "\(seconds).\(fraction)"
  }
}
