internal import PMJSON

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

/// Sums of a period by groups, as a table.
struct UsageExportView {
  private let export: JSONValue
  init(_ export: JSONValue) { self.export = export }

  var text: String {
    let lines = export["rows"]?.array ?? []
    let groups = (lines.first?.object?.members ?? []).prefix(export["by"]?.array?.count ?? 0)
    let titles = groups.map { $0.name.uppercased() }
    let rows = lines.map { line in groups.map { line[$0.name]?.string ?? "?" } + Self.sums(line) }
    let total = titles.indices.map { $0 == 0 ? "total" : "" } + Self.sums(export["total"] ?? .null)
    return Columns.lines([titles + ["REQUESTS", "TOKENS", "EUR"]] + rows + [total])
      .joined(separator: "\n")
  }

  private static func sums(_ line: JSONValue) -> [String] {
    let tokens = (line["prompt_tokens"]?.integer ?? 0) + (line["completion_tokens"]?.integer ?? 0)
    return [
      "\(line["requests"]?.integer ?? 0)", "\(tokens)", line["cost_eur"]?.string ?? "?",
    ]
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
