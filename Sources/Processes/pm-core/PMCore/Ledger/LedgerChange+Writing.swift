import PMCrypto
import PMJSON
import PMStore
import PMSystem
import PMWire

extension LedgerChange {
  func write(to database: Database) throws(StoreError) {
    switch self {
    case .putKey(let details): try Self.put(details, in: database)
    case .deleteKey(let row, let time): try Self.deleteKey(row, at: time, in: database)
    case .putSetting(let name, let value):
      let sql =
        value == nil
        ? "DELETE FROM setting WHERE name = ?1" : "INSERT OR REPLACE INTO setting VALUES (?1, ?2)"
      let statement = try database.prepare(sql)
      try statement.bind(1, text: name.rawValue)
      if let value { try statement.bind(2, value) }
      try statement.run()
    case .putMark(let mark, let value):
      let statement = try database.prepare("INSERT OR REPLACE INTO setting VALUES (?1, ?2)")
      try statement.bind(1, text: mark.rawValue)
      try statement.bind(2, blob: value)
      try statement.run()
    case .addModel(let row, let name):
      let statement = try database.prepare("INSERT OR IGNORE INTO model VALUES (?1, ?2)")
      try statement.bind(1, Int64(row))
      try statement.bind(2, text: name)
      try statement.run()
    case .addPrice(let price): try Self.add(price, to: database)
    case .addPriceTable(let row, let digest, let since):
      let statement = try database.prepare("INSERT INTO price_table VALUES (?1, ?2, ?3)")
      try statement.bind(1, Int64(row))
      try statement.bind(2, blob: digest.bytes)
      try statement.bind(3, since.microseconds)
      try statement.run()
    case .putAlarm(let alarm): try Self.put(alarm, in: database)
    case .dropAlarm(let row):
      let statement = try database.prepare("DELETE FROM alarm WHERE row = ?1")
      try statement.bind(1, row)
      try statement.run()
    case .putOffer(let offer):
      let statement = try database.prepare("INSERT OR REPLACE INTO offer VALUES (?1, ?2, ?3, ?4)")
      try statement.bind(1, Int64(offer.model.row))
      try statement.bind(2, offer.firstSeen.microseconds)
      try statement.bind(3, offer.lastSeen.microseconds)
      try statement.bind(4, offer.goneAt?.microseconds)
      try statement.run()
    case .audit(let entry): try Self.add(entry, to: database)
    }
  }

  private static func put(_ key: KeyDetails, in database: Database) throws(StoreError) {
    let statement = try database.prepare(putKey)
    try statement.bind(1, key.row)
    try statement.bind(2, text: key.id)
    try statement.bind(3, text: key.description)
    try statement.bind(4, key.createdAt.microseconds)
    try statement.bind(5, key.expiresAt?.microseconds)
    try statement.bind(6, key.isEnabled ? 1 : 0)
    try statement.bind(7, key.revokedAt?.microseconds)
    try statement.bind(8, key.rotatedAt?.microseconds)
    try statement.bind(9, text: key.rotatedFrom)
    try statement.bind(10, text: key.rotatedTo)
    try statement.bind(11, Int64(key.source.rawValue))
    try statement.bind(12, key.isBarred ? 1 : 0)
    try statement.bind(13, key.isWeak ? 1 : 0)
    try bind(key.limits, key.policy, to: statement)
    try statement.bind(26, key.lastUsedDay.map { Int64($0) })
    try statement.run()
    try deleteSecrets(of: key.row, in: database)
    // A secret may move from one key to another within one set of changes.
    let hold = try database.prepare("INSERT OR REPLACE INTO secret VALUES (?1, ?2, ?3)")
    for secret in key.secrets {
      try hold.bind(1, blob: secret.digest.bytes)
      try hold.bind(2, key.row)
      try hold.bind(3, secret.closesAt?.microseconds)
      try hold.run()
    }
  }

  /// The day of the last use stays: `use` keeps it.
  private static let putKey = """
    INSERT INTO key (row, id, description, created_at, expires_at, is_enabled, revoked_at,
      rotated_at, rotated_from, rotated_to, source, is_barred, is_weak, rate_limit,
      tokens_per_minute, concurrent_requests, day_budget, month_budget, warning_percent, owner,
      tags, models, endpoints, networks, is_cache_off, last_used_day)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
      ?20, ?21, ?22, ?23, ?24, ?25, ?26)
    ON CONFLICT (row) DO UPDATE SET description = excluded.description,
      created_at = excluded.created_at, expires_at = excluded.expires_at,
      is_enabled = excluded.is_enabled, revoked_at = excluded.revoked_at,
      rotated_at = excluded.rotated_at, rotated_from = excluded.rotated_from,
      rotated_to = excluded.rotated_to, source = excluded.source, is_barred = excluded.is_barred,
      is_weak = excluded.is_weak, rate_limit = excluded.rate_limit,
      tokens_per_minute = excluded.tokens_per_minute,
      concurrent_requests = excluded.concurrent_requests, day_budget = excluded.day_budget,
      month_budget = excluded.month_budget, warning_percent = excluded.warning_percent,
      owner = excluded.owner, tags = excluded.tags, models = excluded.models,
      endpoints = excluded.endpoints, networks = excluded.networks,
      is_cache_off = excluded.is_cache_off, deleted_at = NULL
    """

  private static func bind(
    _ limits: KeyLimits, _ policy: KeyPolicy, to statement: Statement
  ) throws(StoreError) {
    func list(_ texts: [String]?) -> String? {
      texts.map { JSONValue.array($0.map { .string($0) }).text }
    }
    try statement.bind(14, limits.requests.map { Int64($0) })
    try statement.bind(15, limits.tokensPerMinute)
    try statement.bind(16, limits.concurrentRequests.map { Int64($0) })
    try statement.bind(17, limits.dayBudget)
    try statement.bind(18, limits.monthBudget)
    try statement.bind(19, limits.warningPercent.map { Int64($0) })
    try statement.bind(20, text: policy.owner)
    try statement.bind(21, text: list(policy.tags))
    try statement.bind(22, text: list(policy.models))
    try statement.bind(23, policy.routes.map { Int64($0.rawValue) })
    try statement.bind(24, text: list(policy.networks?.map(\.text)))
    try statement.bind(25, policy.usesPromptCache ? 0 : 1)
  }

  private static func put(_ alarm: RaisedAlarm, in database: Database) throws(StoreError) {
    let statement = try database.prepare(
      "INSERT OR REPLACE INTO alarm VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
    try statement.bind(1, alarm.row)
    try statement.bind(2, text: alarm.kind.rawValue)
    try statement.bind(3, text: alarm.subject.text)
    try statement.bind(4, alarm.since.microseconds)
    try statement.bind(5, alarm.acknowledgedAt?.microseconds)
    try statement.bind(6, alarm.endedAt?.microseconds)
    try statement.run()
  }

  private static func deleteSecrets(
    of key: Int64, in database: Database
  ) throws(StoreError) {
    let forget = try database.prepare("DELETE FROM secret WHERE key = ?1")
    try forget.bind(1, key)
    try forget.run()
  }

  private static func deleteKey(
    _ row: Int64, at time: WallTime, in database: Database
  ) throws(StoreError) {
    try deleteSecrets(of: row, in: database)
    let wipe = try database.prepare(
      """
      UPDATE key SET description = '', is_enabled = 0, rate_limit = NULL, rotated_from = NULL,
        rotated_to = NULL, last_used_day = NULL, owner = NULL, tags = NULL, models = NULL,
        endpoints = NULL, networks = NULL, tokens_per_minute = NULL, concurrent_requests = NULL,
        day_budget = NULL, month_budget = NULL, warning_percent = NULL, is_cache_off = 0,
        deleted_at = ?2 WHERE row = ?1
      """)
    try wipe.bind(1, row)
    try wipe.bind(2, time.microseconds)
    try wipe.run()
  }

  private static func add(_ price: PriceRow, to database: Database) throws(StoreError) {
    let statement = try database.prepare(
      "INSERT INTO price VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")
    try statement.bind(1, Int64(price.row))
    try statement.bind(2, text: price.model)
    try statement.bind(3, price.validFrom.microseconds)
    try statement.bind(4, price.validTo?.microseconds)
    try statement.bind(5, price.input)
    try statement.bind(6, price.output)
    try statement.bind(7, price.cached)
    try statement.bind(8, price.perMinute)
    try statement.bind(9, price.perMegabyte)
    try statement.bind(10, Int64(price.standing.rawValue))
    try statement.bind(11, text: price.source)
    try statement.run()
  }

  private static func add(_ entry: AuditEntry, to database: Database) throws(StoreError) {
    let statement = try database.prepare(
      """
      INSERT INTO audit (at, actor, uid, action, target, reason, changes, before, after)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
      """)
    try statement.bind(1, entry.at.microseconds)
    try statement.bind(2, text: entry.actor)
    try statement.bind(3, Int64(entry.uid))
    try statement.bind(4, text: entry.action)
    try statement.bind(5, text: entry.target)
    try statement.bind(6, text: entry.reason)
    try statement.bind(7, text: entry.changes)
    try statement.bind(8, blob: entry.before?.bytes)
    try statement.bind(9, blob: entry.after?.bytes)
    try statement.run()
    try AuditChain.extend(in: database)
  }
}
