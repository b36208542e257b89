internal import PMJSON
internal import PMSystem
internal import PMWire

/// Keys for people, with the labels of the predecessor's key tool: scripts read them.
struct KeyView {
  private let key: JSONValue
  init(_ key: JSONValue) { self.key = key }

  var id: String { key["key_id"]?.string ?? "?" }
  var secret: String? { key["key"]?.string }

  /// What a listing shows of one key.
  var text: String {
    let lines = [
      "Key ID: \(id)", "Status: \(key["status"]?.string?.uppercased() ?? "?")",
      "Description: \(description)", "Created: \(time("created_at") ?? "?")",
      "Expires: \(expires)", "Rate Limit: \(rateLimit)",
    ]
    return lines.joined(separator: "\n")
  }

  /// What is shown once, when the secret exists.
  var created: String {
    """
    Key ID: \(id)
    API Key: \(secret ?? "?")
    Description: \(description)
    Expires: \(expires)
    Rate Limit: \(rateLimit)
    """
  }

  /// The id stays the same; only the secret changes.
  var rotated: String {
    """
    Old Key ID: \(id)
    New Key ID: \(id)
    New API Key: \(secret ?? "?")
    Expires: \(expires)
    """
  }

  /// Everything that is known of it.
  var details: String {
    var lines = [text, "Source: \(key["source"]?.string ?? "?")"]
    for term in KeyTerm.allCases where term != .limit(.requests) {
      let value = term.text(in: key)
      if !value.isEmpty { lines.append("\(term.label): \(value)") }
    }
    for secret in key["secrets"]?.array ?? [] {
      if let end = secret["closes_at"].flatMap({ WallTime(json: $0) }) {
        lines.append("Old secret: works until \(end.civil.rfc3339)")
      }
    }
    if let day = key["last_used"]?.string { lines.append("Last used: \(day)") }
    if let revoked = time("revoked_at") { lines.append("Revoked: \(revoked)") }
    if key["weak"]?.boolean == true { lines.append("Weak: its secret is short; rotate it") }
    return lines.joined(separator: "\n")
  }

  private var description: String { key["description"]?.string ?? "" }
  private var expires: String { time("expires_at") ?? "never" }
  private var rateLimit: String {
    key["rate_limit"]?.integer.map { "\($0) requests" } ?? "default"
  }

  private func time(_ member: String) -> String? {
    guard let value = key[member], !value.isNull, let time = WallTime(json: value) else {
      return nil
    }
    return time.civil.rfc3339
  }
}
