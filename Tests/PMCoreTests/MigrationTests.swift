import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

/// A file as an earlier version left it: made by the first steps, filled by the statements of then.
private struct EarlierLedger {
  static let requests = 3000
  let scratch: Scratch
  let steps: Int

  init(steps: Int) throws {
    scratch = try Scratch()
    self.steps = steps
    let database = try Database(path: scratch.file(LedgerSchema.fileName))
    try database.migrate(to: Self.schema(steps), backupPath: scratch.file("none"))
    try database.transaction { () throws(StoreError) in
      try database.execute(Self.accounts)
      try Self.fillRequests(database)
    }
  }

  /// What a version knew that had that many steps.
  static func schema(_ steps: Int) -> Schema {
    let all = LedgerSchema.schema
    return Schema(applicationID: all.applicationID, steps: Array(all.steps.prefix(steps)))
  }

  private static let accounts = """
    INSERT INTO setting VALUES ('rate_limit_requests', 77);
    INSERT INTO key (row, id, description, created_at, expires_at, is_enabled, rate_limit,
      revoked_at, rotated_at, rotated_from, rotated_to, source, is_barred, is_weak, last_used_day,
      deleted_at)
    VALUES (1, 'n8n-1', 'n8n', 1700000000000000, NULL, 1, 60, NULL, NULL, NULL, NULL, 0, 0, 0,
        19700, NULL),
      (2, 'team-2', '', 1700000000000000, 1800000000000000, 0, NULL, 1, 2, 'a', 'b', 0, 1, 1, NULL,
        NULL),
      (3, 'gone', '', 1700000000000000, NULL, 0, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, NULL, 5);
    INSERT INTO secret VALUES (zeroblob(32), 1, NULL), (randomblob(32), 1, 1800000000000000);
    INSERT INTO model VALUES (1, 'gpt-oss-120b'), (2, 'whisper-large-v3');
    INSERT INTO price VALUES (1, 'm', 0, NULL, 3, 4, 1, NULL, NULL, 0, 'list');
    INSERT INTO price_table VALUES (1, randomblob(32), 0);
    INSERT INTO audit (at, actor, uid, action, target, reason, changes)
    VALUES (1, 'administrator', 0, 'create', 'n8n-1', 'naïve "reason"', '{"a":1}'),
      (2, 'page', 7, 'settings', NULL, NULL, NULL),
      (3, 'administrator', 0, 'revoke', 'x', '', NULL);
    """

  /// Ended requests with two spans, the second of an odd length, and two that were under way.
  private static func fillRequests(_ database: Database) throws(StoreError) {
    let ended = try database.prepare(
      """
      INSERT INTO ended (id, key, model, route, state, reserved_nano_euro, price, price_table,
        fresh_tokens, cached_tokens, output_tokens, audio_milliseconds, audio_bytes,
        cost_nano_euro, usage_source, flags, status, first_byte_milliseconds, total_milliseconds)
      VALUES (?1, ?2, 1, 0, ?3, 5000, 1, 1, ?4, 5, 6, 0, 0, ?5, 1, 0, 200, NULL, 70)
      """)
    for number in 0..<Int64(requests) {
      let time = WallTime(seconds: 1_700_000_000 + number * 97)
      try ended.bind(1, blob: RequestID(at: time, random: (UInt64(number), 7)).bits)
      try ended.bind(2, number % 3 + 1)
      try ended.bind(3, number % 10 == 0 ? 3 : number % 11 == 0 ? 2 : 1)
      try ended.bind(4, number)
      try ended.bind(5, number % 7 == 0 ? nil : number * 1000)
      try ended.run()
    }
    try database.execute(
      """
      INSERT INTO reservation (slot, id, key, model, route, reserved_nano_euro, price, price_table)
      VALUES (1, randomblob(16), 1, 1, 0, 900, 1, 1), (3, randomblob(16), 2, 1, 0, NULL, 1, 1);
      INSERT INTO span (first, last, lowest, highest)
      SELECT 1, 1024, min(id), max(id) FROM ended WHERE row <= 1024;
      INSERT INTO span (first, last, lowest, highest)
      SELECT 1025, 2100, min(id), max(id) FROM ended WHERE row BETWEEN 1025 AND 2100;
      """)
  }
}

/// Every value of the columns that a table had, row by row.
private func contents(
  _ database: Database, _ table: String, _ columns: [String]
) throws -> [String] {
  let rows = try database.prepare(
    "SELECT \(columns.map { "quote(\($0))" }.joined(separator: " || ',' || ")) FROM \(table)")
  var lines: [String] = []
  while try rows.step() { lines.append(rows.text(0)) }
  return lines
}

private func columns(_ database: Database, _ table: String) throws -> [String] {
  let rows = try database.prepare("SELECT name FROM pragma_table_info('\(table)')")
  var names: [String] = []
  while try rows.step() { names.append(rows.text(0)) }
  return names
}

struct MigrationTests {
  static let earlier = Array(1..<LedgerSchema.schema.steps.count)

  @Test(
    "A file of each earlier version keeps every value, and is summed up and linked",
    arguments: earlier)
  func forward(steps: Int) throws {
    let ledger = try EarlierLedger(steps: steps)
    let path = ledger.scratch.file(LedgerSchema.fileName)
    let before = try Database(path: path)
    let tables = ["key", "secret", "model", "price", "price_table", "ended", "audit"]
    let had = try tables.map { table in
      let columns = try columns(before, table).filter { $0 != "head" }
      return (table, columns, try contents(before, table, columns))
    }
    let (database, unsettled) = try LedgerContents.open(
      path: path, at: WallTime(microseconds: 4711))
    #expect(unsettled == 2)
    for (table, columns, lines) in had {
      let found = try contents(database, table, columns)
      #expect(Array(found.prefix(lines.count)) == lines, "\(table)")
      #expect(found.count == lines.count + (table == "ended" ? 2 : 0))
    }
    let verified = try LedgerVerification(database)
    #expect(verified.ledger.fault == nil && verified.audit.fault == nil)
    #expect(verified.ledger.walked.rows == Int64(EarlierLedger.requests + 2))
    #expect(verified.audit.walked.rows == 3)
    #expect(try database.integer("SELECT count(*) FROM span WHERE head IS NOT NULL") == 2)
    var cost: Int64 = 0
    let all = PeriodTotals(start: WallTime(seconds: 0), end: .now(), key: nil)
    try #require(try all.read(database) { cost += $1[.nanoEuro] })
    #expect(
      try database.integer("SELECT sum(cost_nano_euro) FROM ended WHERE state <> 2") == cost + 900)
    let loaded = try LedgerContents(database)
    #expect(loaded.keys.map(\.id) == ["n8n-1", "team-2"] && loaded.retiredRows == ["gone": 3])
    #expect(loaded.keys[0].secrets.count == 2 && loaded.settings[.globalRequests] == 77)
    // It goes on from there.
    var more = RandomLedger(seed: 1)
    try more.write(1500, by: try LedgerWriter(path: path))
    #expect(try LedgerVerification(database, links: [verified.ledger.walked]).ledger.fault == nil)
  }

  @Test("The copy from before serves the earlier version again", arguments: earlier)
  func back(steps: Int) throws {
    let ledger = try EarlierLedger(steps: steps)
    let path = ledger.scratch.file(LedgerSchema.fileName)
    do { _ = try LedgerContents.open(path: path, at: WallTime(microseconds: 4711)) }
    let copy = try Database(path: "\(path).before-4711")
    try copy.migrate(to: EarlierLedger.schema(steps), backupPath: ledger.scratch.file("none"))
    #expect(try copy.integer("PRAGMA user_version") == Int64(steps))
    #expect(try copy.integer("SELECT count(*) FROM reservation") == 2)
    try copy.checkStructure()
  }

  @Test("An earlier version refuses the file by name and touches nothing", arguments: [0] + earlier)
  func refusal(steps: Int) throws {
    let scratch = try Scratch()
    var ledger = RandomLedger(seed: 2)
    do { try ledger.write(1200, by: try LedgerWriter(new: scratch)) }
    let before = try FileIO.read(scratch.file(LedgerSchema.fileName), bytesMax: 1 << 24)
    let known = LedgerSchema.schema.steps.count
    #expect(throws: StoreError.newerSchema(found: known, known: steps)) {
      let database = try Database(path: scratch.file(LedgerSchema.fileName))
      try database.migrate(
        to: EarlierLedger.schema(steps), backupPath: scratch.file("backup"))
    }
    #expect(try FileIO.read(scratch.file(LedgerSchema.fileName), bytesMax: 1 << 24) == before)
    #expect(!scratch.names.contains("backup"))
  }
}
