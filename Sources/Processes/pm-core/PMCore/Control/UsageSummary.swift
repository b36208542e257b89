import PMJSON
import PMStore
import PMSystem
import PMWire

/// A span of time that usage is asked for; its end does not belong to it.
struct UsagePeriod: Equatable, Sendable {
  var name: String
  var start: WallTime
  var end: WallTime

  private static let daySeconds: Int64 = 86_400

  /// A word of the predecessor's page; an unknown one is `all`.
  init(_ word: String, at now: WallTime) {
    let today = now.startOfDay
    func back(_ days: Int64) -> WallTime { WallTime(seconds: now.seconds - days * Self.daySeconds) }
    name = word
    // What is made during the query belongs to it.
    end = WallTime(seconds: now.seconds + Self.daySeconds)
    switch word {
    case "today": start = today
    case "yesterday":
      start = WallTime(seconds: today.seconds - Self.daySeconds)
      end = today
    case "week": start = back(7)
    case "month": start = back(30)
    case "year": start = back(365)
    default:
      name = "all"
      start = WallTime(seconds: 0)
    }
  }

  init(start: WallTime, end: WallTime) {
    (self.name, self.start, self.end) = ("custom", start, end)
  }
}

/// Sums up a period, on the reader's thread.
struct UsageSummary {
  let period: UsagePeriod
  /// Row of the key; nil for all.
  let key: Int64?

  /// Requests that came to an end; those under way and those that never reached the vendor are
  /// counted apart.
  func answer(_ database: Database) throws(StoreError) -> ControlResponse {
    try database.execute("BEGIN")
    let names = try LedgerNames(database)
    var total = UsageSum()
    var (byModel, byRoute, byKey) = ([Int64: UsageSum](), [Int64: UsageSum](), [Int64: UsageSum]())
    var byDay: [Int64: UsageSum] = [:]
    let totals = PeriodTotals(start: period.start, end: period.end, key: key)
    let isWhole = try totals.read(database) { group, sum in
      total.add(sum)
      if sum.requests == 0 { return }
      byModel[group.model, default: UsageSum()].add(sum)
      byRoute[group.route, default: UsageSum()].add(sum)
      byKey[group.key, default: UsageSum()].add(sum)
      byDay[group.day, default: UsageSum()].add(sum)
    }
    guard isWhole else { return .periodTooLong }
    func object(_ sums: [Int64: UsageSum], _ name: (Int64) -> String) -> JSONValue {
      .object(
        JSONObject(
          sums.map { JSONObject.Member(name($0.key), $0.value.json) }.sorted { $0.name < $1.name }))
    }
    let open = try openRequests(database)
    return .ok([
      "period": .string(period.name), "start": .string(period.start.civil.rfc3339),
      "end": .string(min(period.end, .now()).civil.rfc3339),
      "requests": .integer(total.requests), "total_tokens": .integer(total.tokens),
      "total_audio_bytes": .integer(total[.audioBytes]),
      "total_cost_eur": .string(Euro.text(nanoEuro: total[.nanoEuro])),
      "total_cost_nano_euro": .integer(total[.nanoEuro]),
      "by_model": object(byModel, names.model), "by_endpoint": object(byRoute, LedgerNames.route),
      "by_key": object(byKey, names.key),
      "daily": .array(byDay.sorted { $0.key < $1.key }.map { $0.value.dayJSON($0.key) }),
      "unpriced_requests": .integer(total[.unpriced]),
      "open_requests": .integer(open.count), "open_reserved_nano_euro": .integer(open.nanoEuro),
      "released_requests": .integer(total[.released]),
      "unsettled_requests": .integer(total[.unsettled]),
    ])
  }

  /// Requests of the period that are under way, and what is reserved for them.
  private func openRequests(
    _ database: Database
  ) throws(StoreError) -> (count: Int64, nanoEuro: Int64) {
    let rows = try database.prepare(
      """
      SELECT reserved_nano_euro FROM reservation
      WHERE id >= ?1 AND id < ?2 \(key == nil ? "" : "AND key = ?3")
      """)
    try rows.bind(1, blob: RequestID.lowest(at: period.start).bits)
    try rows.bind(2, blob: RequestID.lowest(at: period.end).bits)
    if let key { try rows.bind(3, key) }
    var open: (count: Int64, nanoEuro: Int64) = (0, 0)
    while try rows.step() {
      open.count += 1
      open.nanoEuro = open.nanoEuro.addingClamped(rows.integer(0))
    }
    return open
  }
}

extension ControlResponse {
  static let periodTooLong = error(
    422, "period_too_long", "There are too many requests in this period: choose a shorter one.",
    member: "period")
}

extension UsageSum {
  /// Members of a group, by the predecessor's inner names and more.
  fileprivate var json: JSONValue {
    [
      "tokens": .integer(tokens), "audio_bytes": .integer(self[.audioBytes]),
      "cost": .string(Euro.text(nanoEuro: self[.nanoEuro])), "requests": .integer(requests),
      "cost_nano_euro": .integer(self[.nanoEuro]), "prompt_tokens": .integer(prompt),
      "cached_tokens": .integer(self[.cached]), "completion_tokens": .integer(self[.output]),
      "audio_milliseconds": .integer(self[.audioMilliseconds]),
      "unpriced_requests": .integer(self[.unpriced]),
    ]
  }

  fileprivate func dayJSON(_ day: Int64) -> JSONValue {
    [
      "date": .string(WallTime(day: day).civil.date), "tokens": .integer(tokens),
      "cost_eur": .string(Euro.text(nanoEuro: self[.nanoEuro])), "requests": .integer(requests),
      "cost_nano_euro": .integer(self[.nanoEuro]), "audio_bytes": .integer(self[.audioBytes]),
    ]
  }
}
