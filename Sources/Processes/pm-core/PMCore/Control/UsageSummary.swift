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

/// Sums of one group of requests.
private struct UsageSum {
  var requests = 0
  var fresh: Int64 = 0
  var cached: Int64 = 0
  var output: Int64 = 0
  var audioMilliseconds: Int64 = 0
  var audioBytes: Int64 = 0
  var nanoEuro: Int64 = 0
  var unpriced = 0

  // Counts that a vendor reports are not to be trusted to fit; a sum at its limit is seen at once.
  mutating func add(_ row: UsageRow) {
    requests += 1
    fresh = fresh.addingClamped(row.fresh)
    cached = cached.addingClamped(row.cached)
    output = output.addingClamped(row.output)
    audioMilliseconds = audioMilliseconds.addingClamped(row.audioMilliseconds)
    audioBytes = audioBytes.addingClamped(row.audioBytes)
    if let cost = row.costNanoEuro {
      nanoEuro = nanoEuro.addingClamped(cost)
    } else {
      unpriced += 1
    }
  }

  var tokens: Int64 { fresh.addingClamped(cached).addingClamped(output) }

  /// Members of a group, by the predecessor's inner names and more.
  var json: JSONValue {
    [
      "tokens": .integer(tokens), "audio_bytes": .integer(audioBytes),
      "cost": .string(Euro.text(nanoEuro: nanoEuro)), "requests": .integer(Int64(requests)),
      "cost_nano_euro": .integer(nanoEuro), "prompt_tokens": .integer(fresh.addingClamped(cached)),
      "cached_tokens": .integer(cached), "completion_tokens": .integer(output),
      "audio_milliseconds": .integer(audioMilliseconds),
      "unpriced_requests": .integer(Int64(unpriced)),
    ]
  }

  func dayJSON(_ date: String) -> JSONValue {
    [
      "date": .string(date), "tokens": .integer(tokens),
      "cost_eur": .string(Euro.text(nanoEuro: nanoEuro)), "requests": .integer(Int64(requests)),
      "cost_nano_euro": .integer(nanoEuro), "audio_bytes": .integer(audioBytes),
    ]
  }
}

extension Int64 {
  /// The sum, or the largest number if it does not fit.
  func addingClamped(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}

/// Sums up a period in one pass over its rows, on the reader's thread.
struct UsageSummary {
  /// A longer period is refused rather than waited for.
  static let secondsMax: UInt64 = 20
  private static let rowsBetweenLooks = 8192

  let period: UsagePeriod
  /// Row of the key; nil for all.
  let key: Int64?

  /// Requests that came to an end; those under way and those that never reached the vendor are
  /// counted apart.
  func answer(_ database: Database) throws(StoreError) -> ControlResponse {
    let names = try LedgerNames(database)
    var total = UsageSum()
    var (byModel, byRoute, byKey) = ([Int64: UsageSum](), [Int64: UsageSum](), [Int64: UsageSum]())
    var days: [(day: Int64, sum: UsageSum)] = []
    var states: [RequestState: Int] = [:]
    var openNanoEuro: Int64 = 0
    let started = Instant.now()
    var seen = 0
    let rows = try UsageRows(database, from: .lowest(at: period.start), to: period.end, key: key)
    while let row = try rows.next() {
      seen += 1
      if seen.isMultiple(of: Self.rowsBetweenLooks),
        Instant.now() > started.adding(seconds: Self.secondsMax)
      {
        return .error(
          422, "period_too_long",
          "There are too many requests in this period: choose a shorter one.",
          member: "period")
      }
      states[row.state, default: 0] += 1
      if row.state == .reserved {
        openNanoEuro = openNanoEuro.addingClamped(row.reservedNanoEuro ?? 0)
      }
      guard row.state == .settled || row.state == .unsettled else { continue }
      total.add(row)
      byModel[row.model, default: UsageSum()].add(row)
      byRoute[row.route, default: UsageSum()].add(row)
      byKey[row.key, default: UsageSum()].add(row)
      let day = row.id.time.seconds.floorDivided(by: 86_400)
      if days.last?.day != day { days.append((day, UsageSum())) }
      days[days.count - 1].sum.add(row)
    }
    func object(_ sums: [Int64: UsageSum], _ name: (Int64) -> String) -> JSONValue {
      .object(
        JSONObject(
          sums.map { JSONObject.Member(name($0.key), $0.value.json) }.sorted { $0.name < $1.name }))
    }
    return .ok([
      "period": .string(period.name), "start": .string(period.start.civil.rfc3339),
      "end": .string(min(period.end, .now()).civil.rfc3339),
      "requests": .integer(Int64(total.requests)), "total_tokens": .integer(total.tokens),
      "total_audio_bytes": .integer(total.audioBytes),
      "total_cost_eur": .string(Euro.text(nanoEuro: total.nanoEuro)),
      "total_cost_nano_euro": .integer(total.nanoEuro),
      "by_model": object(byModel, names.model), "by_endpoint": object(byRoute, LedgerNames.route),
      "by_key": object(byKey, names.key),
      "daily": .array(
        days.map { $0.sum.dayJSON(WallTime(seconds: $0.day * 86_400).civil.date) }),
      "unpriced_requests": .integer(Int64(total.unpriced)),
      "open_requests": .integer(Int64(states[.reserved] ?? 0)),
      "open_reserved_nano_euro": .integer(openNanoEuro),
      "released_requests": .integer(Int64(states[.released] ?? 0)),
      "unsettled_requests": .integer(Int64(states[.unsettled] ?? 0)),
    ])
  }
}
