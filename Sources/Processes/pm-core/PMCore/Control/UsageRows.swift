import PMCrypto
import PMJSON
import PMStore
import PMSystem
import PMWire

/// A line of the ledger as it is reported.
struct UsageRow {
  var id: RequestID
  var key: Int64
  var model: Int64
  var route: Int64
  var state: RequestState
  var reservedNanoEuro: Int64?
  var price: Int64
  var priceTable: Int64
  var fresh: Int64
  var cached: Int64
  var output: Int64
  var audioMilliseconds: Int64
  var audioBytes: Int64
  var costNanoEuro: Int64?
  var source: Usage.Source
  var flags: Usage.Flags
  var status: Int64?
  var firstByteMilliseconds: Int64?
  var totalMilliseconds: Int64?
}

/// Reads lines in the order of their ids, which is that of time, as they are at one instant. The
/// file has them in the order of their ends, so they are sorted, one stretch of ids after another.
final class UsageRows {
  /// Rows that a stretch has at least, if there are as many: more would take more memory at once,
  /// fewer would look more often through what a long request or a step of the clock has spread.
  static let sortedRowsMin = 16_384

  private let statement: Statement
  private let stretch: Statement
  /// Where the stretch that is read ends, and where the last one will.
  private var (reached, end): (UInt128, UInt128)

  /// The connection has a transaction open from here on.
  init(
    _ database: Database, from first: RequestID, to end: WallTime, key: Int64?,
    sortedRowsMin: Int = sortedRowsMin
  ) throws(StoreError) {
    let isWanted = "id >= ?1 AND id < ?2 \(key == nil ? "" : "AND key = ?3")"
    statement = try database.prepare(
      """
      SELECT id, key, model, route, state, reserved_nano_euro, price, price_table, fresh_tokens,
        cached_tokens, output_tokens, audio_milliseconds, audio_bytes, cost_nano_euro, usage_source,
        flags, status, first_byte_milliseconds, total_milliseconds
      FROM \(LedgerSchema.endedRanges) WHERE \(isWanted)
      UNION ALL
      SELECT id, key, model, route, \(RequestState.reserved.rawValue), reserved_nano_euro, price,
        price_table, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
      FROM reservation WHERE \(isWanted)
      ORDER BY id
      """)
    if let key { try statement.bind(3, key) }
    // The rows of these spans alone are as many, and none of them is beyond.
    stretch = try database.prepare(
      """
      SELECT highest FROM
        (SELECT highest, sum(last - first + 1) OVER (ORDER BY highest) AS sum
          FROM span WHERE lowest >= ?1)
      WHERE sum >= \(sortedRowsMin) ORDER BY highest LIMIT 1
      """)
    (reached, self.end) = (first.bits, RequestID.lowest(at: end).bits)
    try database.execute("BEGIN")
    try readStretch()
  }

  private func readStretch() throws(StoreError) {
    try stretch.bind(1, blob: reached)
    let last = try stretch.step() ? stretch.bits(0) : nil
    stretch.reset()
    statement.reset()
    try statement.bind(1, blob: reached)
    reached = last.map { $0 < end ? $0 + 1 : end } ?? end
    try statement.bind(2, blob: reached)
  }

  func next() throws(StoreError) -> UsageRow? {
    while try !statement.step() {
      guard reached < end else { return nil }
      try readStretch()
    }
    guard let bits = statement.bits(0),
      let state = RequestState(rawValue: UInt8(truncatingIfNeeded: statement.integer(4))),
      let source = Usage.Source(rawValue: UInt8(truncatingIfNeeded: statement.integer(14)))
    else { throw .damaged }
    return UsageRow(
      id: RequestID(bits), key: statement.integer(1), model: statement.integer(2),
      route: statement.integer(3), state: state, reservedNanoEuro: statement.integerOrNil(5),
      price: statement.integer(6), priceTable: statement.integer(7), fresh: statement.integer(8),
      cached: statement.integer(9), output: statement.integer(10),
      audioMilliseconds: statement.integer(11), audioBytes: statement.integer(12),
      costNanoEuro: statement.integerOrNil(13), source: source,
      flags: Usage.Flags(rawValue: UInt32(truncatingIfNeeded: statement.integer(15))),
      status: statement.integerOrNil(16), firstByteMilliseconds: statement.integerOrNil(17),
      totalMilliseconds: statement.integerOrNil(18))
  }
}

/// Names of what the ledger's lines refer to by number.
struct LedgerNames {
  private var keys: [Int64: String] = [:]
  private var models: [Int64: String] = [:]
  private var priceTables: [Int64: String] = [:]

  init(_ database: Database) throws(StoreError) {
    let keyRows = try database.prepare("SELECT row, id FROM key")
    while try keyRows.step() { keys[keyRows.integer(0)] = keyRows.text(1) }
    let modelRows = try database.prepare("SELECT row, name FROM model")
    while try modelRows.step() { models[modelRows.integer(0)] = modelRows.text(1) }
    let tables = try database.prepare("SELECT row, digest FROM price_table")
    while try tables.step() { priceTables[tables.integer(0)] = Hex.text(tables.blob(1).span) }
  }

  func key(_ row: Int64) -> String { keys[row] ?? "unknown" }
  func model(_ row: Int64) -> String { models[row] ?? ModelTable.unlistedName }
  /// SHA-256 of the table's rows.
  func priceTable(_ row: Int64) -> String? { priceTables[row] }
  static func route(_ number: Int64) -> String {
    Route(rawValue: UInt8(truncatingIfNeeded: number))?.word.description ?? "other"
  }
}

/// A page of lines, as JSON or CSV.
struct UsagePage {
  static let rowsMax = 10_000
  static let rowsDefault = 1000

  let period: UsagePeriod
  let key: Int64?
  /// The last line of the page before.
  let after: RequestID?
  let limit: Int
  let isCSV: Bool

  func answer(_ database: Database) throws(StoreError) -> ControlResponse {
    let names = try LedgerNames(database)
    let first = after.map { RequestID($0.bits + 1) } ?? .lowest(at: period.start)
    let rows = try UsageRows(database, from: first, to: period.end, key: key)
    var page: [[(name: String, value: JSONValue)]] = []
    var last: RequestID?
    while page.count < limit, let row = try rows.next() {
      page.append(row.members(names))
      last = row.id
    }
    let next: JSONValue = page.count == limit ? last.map { .string($0.text) } ?? .null : .null
    if isCSV {
      return .csv(UsageRow.memberNames, page.map { $0.map(\.value) })
    }
    let objects = page.map { members in
      JSONValue.object(JSONObject(members.map { JSONObject.Member($0.name, $0.value) }))
    }
    return .ok(["rows": .array(objects), "next": next])
  }
}

extension UsageRow {
  static let memberNames = [
    "request_id", "time", "key_id", "model", "endpoint", "state", "prompt_tokens", "cached_tokens",
    "completion_tokens", "audio_milliseconds", "audio_bytes", "cost_nano_euro",
    "reserved_nano_euro", "price", "price_table", "price_table_sha256", "usage_source", "flags",
    "status", "first_byte_ms", "total_ms",
  ]

  fileprivate func members(_ names: LedgerNames) -> [(name: String, value: JSONValue)] {
    func optional(_ value: Int64?) -> JSONValue { value.map { .integer($0) } ?? .null }
    let words = Usage.Flags.words.filter { flags.contains($0.0) }.map(\.1)
    let values: [JSONValue] = [
      .string(id.text), .string(id.time.rfc3339Milliseconds), .string(names.key(key)),
      .string(names.model(model)), .string(LedgerNames.route(route)), .string(state.word),
      .integer(fresh.addingClamped(cached)), .integer(cached), .integer(output),
      .integer(audioMilliseconds),
      .integer(audioBytes), optional(costNanoEuro), optional(reservedNanoEuro), .integer(price),
      .integer(priceTable), names.priceTable(priceTable).map { .string($0) } ?? .null,
      .string(source.word), .string(words.joined(separator: " ")),
      optional(status), optional(firstByteMilliseconds), optional(totalMilliseconds),
    ]
    return Array(zip(Self.memberNames, values)).map { (name: $0.0, value: $0.1) }
  }
}

extension WallTime {
  /// `2026-11-22T16:34:05.123Z`
  fileprivate var rfc3339Milliseconds: String {
    let fraction = (microseconds - seconds * 1_000_000) / 1000
    return "\(civil.rfc3339.dropLast()).\(String(fraction + 1000).dropFirst())Z"
  }
}
