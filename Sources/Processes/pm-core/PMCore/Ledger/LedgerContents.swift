import PMCrypto
import PMJSON
import PMStore
import PMSystem
import PMWire

/// What the loop needs to know of the ledger at start.
struct LedgerContents {
  var keys: [KeyDetails] = []
  /// Deleted keys: their ids keep their rows.
  var retiredRows: [String: Int64] = [:]
  var modelNames: [String] = []
  var prices: [PriceRow] = []
  var priceTables: [Digest256: Int32] = [:]
  var settings: [CoreControl.Setting: Int64] = [:]
  var alarms: [RaisedAlarm] = []
  var offers: [Offer] = []
  var pepperMark: [UInt8]?
}

extension LedgerContents {
  /// A larger file is looked through by the reader's thread after the start, which it would stall:
  /// a structure of this size takes about a tenth of a second.
  static let checkedAtStartBytesMax: Int64 = 64 << 20

  /// Opens the ledger, brings it forward, and charges what a crash left open.
  static func open(
    path: String, at time: WallTime
  ) throws(StoreError) -> (database: Database, unsettled: Int) {
    let database = try Database(path: path)
    if try database.fileBytes() <= checkedAtStartBytesMax { try database.checkStructure() }
    try database.migrate(
      to: LedgerSchema.schema, backupPath: "\(path).before-\(time.microseconds)")
    return (database, try unsettleOpen(database))
  }

  /// Reads the tables that the loop works from.
  init(_ database: Database) throws(StoreError) {
    try readKeys(database)
    try readPrices(database)
    try readSettings(database)
    try readAlarms(database)
  }

  /// Charges the whole reservation of every request without an end.
  private static func unsettleOpen(_ database: Database) throws(StoreError) -> Int {
    try database.transaction { () throws(StoreError) in
      try database.execute(LedgerWriter.unsettle)
      let count = database.changedRows
      try database.execute("DELETE FROM reservation")
      return count
    }
  }

  private mutating func readKeys(_ database: Database) throws(StoreError) {
    var secrets: [Int64: [KeySecret]] = [:]
    // The newest secret first: it has no end, or the later one.
    let held = try database.prepare(
      """
      SELECT key, digest, closes_at FROM secret
      ORDER BY key, closes_at IS NOT NULL, closes_at DESC
      """
    )
    while try held.step() {
      guard let digest = Digest256(held.blob(1).span) else { throw .damaged }
      let closesAt = held.integerOrNil(2).map { WallTime(microseconds: $0) }
      secrets[held.integer(0), default: []].append(KeySecret(digest: digest, closesAt: closesAt))
    }
    let rows = try database.prepare(
      """
      SELECT row, id, description, created_at, expires_at, is_enabled, rate_limit, revoked_at,
        rotated_at, rotated_from, rotated_to, source, is_barred, is_weak, last_used_day, deleted_at,
        tokens_per_minute, concurrent_requests, day_budget, month_budget, warning_percent, owner,
        tags, models, endpoints, networks, is_cache_off
      FROM key ORDER BY row
      """)
    while try rows.step() {
      guard rows.isNull(15) else {
        retiredRows[rows.text(1)] = rows.integer(0)
        continue
      }
      guard let source = KeySource(rawValue: UInt8(truncatingIfNeeded: rows.integer(11))) else {
        throw .damaged
      }
      keys.append(
        KeyDetails(
          row: rows.integer(0), id: rows.text(1), description: rows.text(2),
          createdAt: WallTime(microseconds: rows.integer(3)), expiresAt: rows.time(4),
          isEnabled: rows.integer(5) != 0, limits: rows.limits, policy: try rows.policy(),
          revokedAt: rows.time(7), rotatedAt: rows.time(8), rotatedFrom: rows.textOrNil(9),
          rotatedTo: rows.textOrNil(10), source: source, isBarred: rows.integer(12) != 0,
          isWeak: rows.integer(13) != 0,
          lastUsedDay: rows.integerOrNil(14).map { Int32(clamping: $0) },
          secrets: secrets[rows.integer(0)] ?? []))
    }
  }

  private mutating func readPrices(_ database: Database) throws(StoreError) {
    let names = try database.prepare("SELECT name FROM model ORDER BY row")
    while try names.step() { modelNames.append(names.text(0)) }
    let rows = try database.prepare(
      """
      SELECT row, model, valid_from, valid_to, input, output, cached, per_minute, per_megabyte,
        standing, source
      FROM price ORDER BY row
      """)
    while try rows.step() {
      guard let standing = PriceRow.Standing(rawValue: UInt8(truncatingIfNeeded: rows.integer(9)))
      else { throw .damaged }
      prices.append(
        PriceRow(
          row: Int32(clamping: rows.integer(0)), model: rows.text(1),
          validFrom: WallTime(microseconds: rows.integer(2)), validTo: rows.time(3),
          input: rows.integerOrNil(4), output: rows.integerOrNil(5), cached: rows.integerOrNil(6),
          perMinute: rows.integerOrNil(7), perMegabyte: rows.integerOrNil(8), standing: standing,
          source: rows.text(10)))
    }
    let tables = try database.prepare("SELECT row, digest FROM price_table")
    while try tables.step() {
      guard let digest = Digest256(tables.blob(1).span) else { throw .damaged }
      priceTables[digest] = Int32(clamping: tables.integer(0))
    }
  }

  private mutating func readSettings(_ database: Database) throws(StoreError) {
    let rows = try database.prepare("SELECT name, value FROM setting")
    while try rows.step() {
      let name = rows.text(0)
      if let setting = CoreControl.Setting(rawValue: name) { settings[setting] = rows.integer(1) }
      if name == LedgerMark.pepper.rawValue { pepperMark = rows.blob(1) }
    }
  }

  private mutating func readAlarms(_ database: Database) throws(StoreError) {
    let rows = try database.prepare(
      "SELECT row, kind, subject, since, acknowledged_at, ended_at FROM alarm ORDER BY row")
    while try rows.step() {
      guard let kind = AlarmKind(rawValue: rows.text(1)) else { throw .damaged }
      alarms.append(
        RaisedAlarm(
          row: rows.integer(0), kind: kind, subject: AlarmSubject(kind, text: rows.text(2)),
          since: WallTime(microseconds: rows.integer(3)), acknowledgedAt: rows.time(4),
          endedAt: rows.time(5)))
    }
    let offered = try database.prepare("SELECT model, first_seen, last_seen, gone_at FROM offer")
    while try offered.step() {
      offers.append(
        Offer(
          model: ModelIndex(row: Int32(clamping: offered.integer(0))),
          firstSeen: WallTime(microseconds: offered.integer(1)),
          lastSeen: WallTime(microseconds: offered.integer(2)), goneAt: offered.time(3)))
    }
  }
}

extension Statement {
  fileprivate func time(_ column: Int32) -> WallTime? {
    integerOrNil(column).map { WallTime(microseconds: $0) }
  }

  // The columns of `readKeys`.

  fileprivate var limits: KeyLimits {
    var limits = KeyLimits()
    limits.requests = integerOrNil(6).map { Int($0) }
    limits.tokensPerMinute = integerOrNil(16)
    limits.concurrentRequests = integerOrNil(17).map { Int($0) }
    limits.dayBudget = integerOrNil(18)
    limits.monthBudget = integerOrNil(19)
    limits.warningPercent = integerOrNil(20).map { Int($0) }
    return limits
  }

  fileprivate func policy() throws(StoreError) -> KeyPolicy {
    var policy = KeyPolicy()
    policy.owner = text(21)
    policy.tags = try texts(22) ?? []
    policy.models = try texts(23)
    policy.routes = integerOrNil(24).map { RouteSet(rawValue: UInt32(truncatingIfNeeded: $0)) }
    policy.networks = try texts(25)?.map { (text) throws(StoreError) in
      guard let network = InternetNetwork(text) else { throw .damaged }
      return network
    }
    policy.usesPromptCache = integer(26) == 0
    return policy
  }

  /// A JSON array of texts. One that cannot be read must not count as none: that would allow all.
  private func texts(_ column: Int32) throws(StoreError) -> [String]? {
    guard let text = textOrNil(column) else { return nil }
    guard let list = (try? JSONReader.read(text))?.array else { throw .damaged }
    let texts = list.compactMap(\.string)
    guard texts.count == list.count else { throw .damaged }
    return texts
  }
}
