import PMStore
import PMSystem
import PMWire

/// A request that has ended before this start, to take up the limits where they were. Before the
/// ledger is open to requests, all have ended.
struct PastRequest {
  /// At most so many are read: with more in one window, the oldest are forgotten.
  static let rowsMax = 200_000

  var key: Int64
  /// When it was admitted.
  var at: WallTime
  /// What token windows count of it.
  var tokens: Int64 = 0
  /// What it has used of the vendor's limits.
  var amounts = VendorAmounts()

  /// Oldest first.
  static func read(
    _ database: Database, since time: WallTime
  ) throws(StoreError) -> [PastRequest] {
    let rows = try database.prepare(
      """
      SELECT id, key, state, fresh_tokens, cached_tokens, output_tokens, audio_milliseconds,
        reserved_tokens
      FROM \(LedgerSchema.endedRanges)
      WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT \(rowsMax)
      """)
    try rows.bind(1, blob: RequestID.lowest(at: time).bits)
    try rows.bind(2, blob: UInt128.max)
    var past: [PastRequest] = []
    while try rows.step() { past.append(try PastRequest(rows)) }
    return past.reversed()
  }

  /// When the newest request was admitted; nil if there was none.
  static func newest(_ database: Database) throws(StoreError) -> WallTime? {
    let ids = try database.prepare(
      """
      SELECT max(id) FROM (SELECT max(highest) AS id FROM span
        UNION ALL SELECT max(id) FROM \(LedgerSchema.uncoveredRange))
      """)
    guard try ids.step() else { return nil }
    return ids.bits(0).map { RequestID($0).time }
  }

  private init(_ row: Statement) throws(StoreError) {
    guard let bits = row.bits(0) else { throw .damaged }
    self.init(key: row.integer(1), at: RequestID(bits).time)
    let state = RequestState(rawValue: UInt8(truncatingIfNeeded: row.integer(2)))
    // Nothing reached the vendor.
    if state == .released { return }
    var usage = Usage()
    usage.fresh = row.integer(3)
    usage.cached = row.integer(4)
    usage.output = row.integer(5)
    usage.audioMilliseconds = row.integer(6)
    amounts = VendorAmounts(usage)
    tokens = state == .unsettled ? row.integer(7) : usage.tokens ?? TokenWindow.tokensMax
  }

  init(key: Int64, at: WallTime) { (self.key, self.at) = (key, at) }
}

extension RequestID {
  /// No id made at that time or later is smaller.
  static func lowest(at time: WallTime) -> RequestID {
    RequestID(UInt128(UInt64(max(0, time.microseconds / 1000))) << 80)
  }
}
