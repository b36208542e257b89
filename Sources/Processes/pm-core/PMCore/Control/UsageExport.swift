import PMJSON
import PMStore
import PMSystem
import PMWire

/// Sums of a period as a table, grouped by what the caller names.
struct UsageExport {
  enum Group: String, CaseIterable {
    case day, key, model, endpoint

    /// Reads words with commas between them; nil if there is none, or one twice, or another.
    static func list(_ text: String) -> [Group]? {
      let words = text.split(separator: ",", omittingEmptySubsequences: false)
      let groups = words.compactMap { Group(rawValue: String($0)) }
      return groups.count == words.count && Set(groups).count == groups.count ? groups : nil
    }

    /// The name of its column, as in `/usage/rows`.
    fileprivate var member: String {
      switch self {
      case .day: "date"
      case .key: "key_id"
      case .model: "model"
      case .endpoint: "endpoint"
      }
    }

    fileprivate func text(_ group: UsageGroup, _ names: LedgerNames) -> String {
      switch self {
      case .day: WallTime(day: group.day).civil.date
      case .key: names.key(group.key)
      case .model: names.model(group.model)
      case .endpoint: LedgerNames.route(group.route)
      }
    }
  }

  let groups: [Group]
  let period: UsagePeriod
  /// Row of the key; nil for all.
  let key: Int64?
  let isCSV: Bool

  func answer(_ database: Database) throws(StoreError) -> ControlResponse {
    try database.execute("BEGIN")
    let names = try LedgerNames(database)
    var sums: [[String]: UsageSum] = [:]
    var total = UsageSum()
    let totals = PeriodTotals(start: period.start, end: period.end, key: key)
    let isWhole = try totals.read(database) { group, sum in
      sums[groups.map { $0.text(group, names) }, default: UsageSum()].add(sum)
      total.add(sum)
    }
    guard isWhole else { return .periodTooLong }
    let lines = sums.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { texts, sum in
      zip(groups, texts).map { JSONObject.Member($0.member, .string($1)) } + sum.exportMembers
    }
    if isCSV {
      let names = groups.map(\.member) + total.exportMembers.map(\.name)
      return .csv(names, lines.map { $0.map(\.value) })
    }
    return .ok([
      "period": .string(period.name), "start": .string(period.start.civil.rfc3339),
      "end": .string(min(period.end, .now()).civil.rfc3339),
      "by": .array(groups.map { .string($0.rawValue) }),
      "rows": .array(lines.map { .object(JSONObject($0)) }),
      "total": .object(JSONObject(total.exportMembers)),
    ])
  }
}

extension UsageSum {
  /// By the names of `/usage/rows`, where there are such.
  fileprivate var exportMembers: [JSONObject.Member] {
    let counts: [(String, Int64)] = [
      ("requests", requests), ("prompt_tokens", prompt), ("cached_tokens", self[.cached]),
      ("completion_tokens", self[.output]), ("audio_milliseconds", self[.audioMilliseconds]),
      ("audio_bytes", self[.audioBytes]), ("cost_nano_euro", self[.nanoEuro]),
    ]
    let others: [(String, Int64)] = [
      ("unpriced_requests", self[.unpriced]), ("unsettled_requests", self[.unsettled]),
      ("released_requests", self[.released]),
    ]
    func members(_ values: [(String, Int64)]) -> [JSONObject.Member] {
      values.map { JSONObject.Member($0.0, .integer($0.1)) }
    }
    let euro = JSONObject.Member("cost_eur", .string(Euro.text(nanoEuro: self[.nanoEuro])))
    return members(counts) + [euro] + members(others)
  }
}

extension ControlResponse {
  /// RFC 4180, with a head line. No value of a report can hold a comma, quote or line end.
  static func csv(_ names: [String], _ lines: [[JSONValue]]) -> ControlResponse {
    var text = names.joined(separator: ",") + "\r\n"
    for values in lines {
      let fields = values.map { $0.string ?? ($0.isNull ? "" : $0.text) }
      text += fields.joined(separator: ",") + "\r\n"
    }
    return ControlResponse(200, .text(.csv, Array(text.utf8)))
  }
}
