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

/// Sums of a period, as a table.
struct UsageView {
  private let usage: JSONValue
  init(_ usage: JSONValue) { self.usage = usage }

  var text: String {
    let start = usage["start"]?.string ?? "?"
    var lines = [
      "Period   \(usage["period"]?.string ?? "?"), \(start) to \(usage["end"]?.string ?? "?")",
      "Requests \(usage["requests"]?.integer ?? 0)",
      "Tokens   \(usage["total_tokens"]?.integer ?? 0)",
      "Cost     \(usage["total_cost_eur"]?.string ?? "?") EUR",
    ]
    for (member, title) in [("by_key", "KEY"), ("by_model", "MODEL")] {
      lines += [""] + table(title, usage[member]?.object?.members ?? [])
    }
    for (member, meaning) in [
      ("unpriced_requests", "requests without a price, not in the cost"),
      ("unsettled_requests", "requests whose end was not seen, charged as reserved"),
      ("open_requests", "requests under way"),
    ] {
      let count = usage[member]?.integer ?? 0
      if count > 0 { lines += ["", "\(count) \(meaning)"] }
    }
    return lines.joined(separator: "\n")
  }

  private func table(_ title: String, _ members: [JSONObject.Member]) -> [String] {
    let rows =
      [[title, "REQUESTS", "TOKENS", "EUR"]]
      + members.map { member in
        [
          member.name, "\(member.value["requests"]?.integer ?? 0)",
          "\(member.value["tokens"]?.integer ?? 0)", member.value["cost"]?.string ?? "?",
        ]
      }
    return Columns.lines(rows)
  }
}

/// Rows with columns as wide as their widest cell.
enum Columns {
  static func lines(_ rows: [[String]]) -> [String] {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let isLast = column == row.count - 1
        line +=
          cell + (isLast ? "" : String(repeating: " ", count: widths[column] - cell.count + 2))
      }
      return line
    }
  }
}
