internal import PMSystem
internal import PMWire

/// Rows of the price table, in euro.
struct PriceView {
  let prices: [CoreControl.PriceEntry]
  let table: Int64
  let digest: String

  var text: String {
    let titles = [
      "MODEL", "FROM", "TO", "INPUT", "OUTPUT", "CACHED", "MINUTE", "MB", "", "STANDING", "SOURCE",
    ]
    let rows = prices.map { price in
      [
        price.model, price.validFrom.civil.rfc3339, price.validTo?.civil.rfc3339 ?? "",
        Self.euro(price.terms.input), Self.euro(price.terms.output), Self.euro(price.terms.cached),
        Self.euro(price.terms.perMinute), Self.euro(price.terms.perMegabyte),
        price.isInForce ? "in force" : "", price.standing, price.source,
      ]
    }
    let lines =
      ["EUR net of VAT: for 1,000,000 tokens, for a minute of audio, for 1,048,576 bytes", ""]
      + Columns.lines([titles] + rows) + ["", "Table \(table), SHA-256 \(digest)"]
    return lines.joined(separator: "\n")
  }

  private static func euro(_ price: Int64?) -> String {
    price.map { Euro.text(microEuro: $0) } ?? "-"
  }

  /// What is said of a row that was just entered.
  static func added(_ price: CoreControl.PriceEntry) -> String {
    let standing = price.isInForce ? "in force now" : "not in force now"
    let from = price.validFrom.civil.rfc3339
    return "Price \(price.row) of \(price.model) from \(from): \(standing)."
  }
}

/// Alarms, the newest first.
struct AlarmView {
  let alarms: [CoreControl.AlarmEntry]

  var text: String {
    if alarms.isEmpty { return "There are no alarms." }
    let rows = alarms.map { alarm in
      [
        "\(alarm.row)", alarm.since.civil.rfc3339, alarm.kind, Self.subject(alarm),
        alarm.endedAt != nil ? "ended" : alarm.acknowledgedAt != nil ? "acknowledged" : "open",
      ]
    }
    return Columns.lines([["NUMBER", "SINCE", "ALARM", "ABOUT", "STATE"]] + rows)
      .joined(separator: "\n")
  }

  private static func subject(_ alarm: CoreControl.AlarmEntry) -> String {
    if let model = alarm.model { return model }
    return "\(alarm.keyID ?? "all keys"), \(alarm.period ?? "?")"
  }
}
