import PMStore

/// The tables of the ledger. Times are microseconds since 1970 UTC, money is nano-euro net of VAT,
/// null means "none" or "not known", never zero.
enum LedgerSchema {
  static let fileName = "ledger.sqlite"

  static let schema = Schema(
    applicationID: 0x504D_4C31,  // "PML1"
    steps: [.sql(first), .sql(second), .code(third)])

  /// Rows of `ended` among which are all with an id from ?1 on and below ?2; the caller compares
  /// the ids themselves.
  static let endedRanges = ended(in: "\(spans) UNION ALL \(rest)")
  /// Those of them that spans cover, and those that none covers yet.
  static let coveredRanges = ended(in: spans)
  static let uncoveredRange = ended(in: rest)

  private static let spans = """
    SELECT first, last FROM span WHERE highest >= ?1 AND lowest < ?2
    """
  private static let rest = """
    SELECT ifnull(max(last), 0) + 1 AS first, \(Int64.max) AS last FROM span
    """
  private static func ended(in ranges: String) -> String {
    "(\(ranges)) AS range CROSS JOIN ended ON ended.row BETWEEN range.first AND range.last"
  }

  /// A request is a row of `reservation` until it has ended, and then one of `ended`; `request` has
  /// both. So a commit touches one page of each: the first is small, the second only grows at its
  /// end, in the order of ends. For each thousand of its rows, `span` knows their lowest and
  /// highest id, by which a period is found whatever the clock did.
  ///
  /// They carry no references: their columns are written from tables in memory that were read from
  /// here, and a look-up for each would double the work of a commit.
  private static let first = """
    CREATE TABLE setting (name TEXT NOT NULL PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

    CREATE TABLE key (
      row INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      description TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER,
      is_enabled INTEGER NOT NULL,
      rate_limit INTEGER,
      revoked_at INTEGER,
      rotated_at INTEGER,
      rotated_from TEXT,
      rotated_to TEXT,
      source INTEGER NOT NULL,
      is_barred INTEGER NOT NULL,
      is_weak INTEGER NOT NULL,
      last_used_day INTEGER,
      deleted_at INTEGER
    ) STRICT;

    CREATE TABLE secret (
      digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
      key INTEGER NOT NULL REFERENCES key (row),
      closes_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX secret_key ON secret (key);

    CREATE TABLE model (row INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

    CREATE TABLE price (
      row INTEGER PRIMARY KEY,
      model TEXT NOT NULL,
      valid_from INTEGER NOT NULL,
      valid_to INTEGER,
      input INTEGER,
      output INTEGER,
      cached INTEGER,
      per_minute INTEGER,
      per_megabyte INTEGER,
      standing INTEGER NOT NULL,
      source TEXT NOT NULL
    ) STRICT;
    CREATE TABLE price_table (
      row INTEGER PRIMARY KEY,
      digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
      since INTEGER NOT NULL
    ) STRICT;
    CREATE TRIGGER price_is_final BEFORE UPDATE ON price
      BEGIN SELECT raise(ABORT, 'a price is never changed'); END;
    CREATE TRIGGER price_stays BEFORE DELETE ON price
      BEGIN SELECT raise(ABORT, 'a price is never deleted'); END;

    CREATE TABLE reservation (
      slot INTEGER PRIMARY KEY,
      id BLOB NOT NULL,
      key INTEGER NOT NULL,
      model INTEGER NOT NULL,
      route INTEGER NOT NULL,
      reserved_nano_euro INTEGER,
      price INTEGER NOT NULL,
      price_table INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE ended (
      row INTEGER PRIMARY KEY,
      id BLOB NOT NULL,
      key INTEGER NOT NULL,
      model INTEGER NOT NULL,
      route INTEGER NOT NULL,
      state INTEGER NOT NULL,
      reserved_nano_euro INTEGER,
      price INTEGER NOT NULL,
      price_table INTEGER NOT NULL,
      fresh_tokens INTEGER,
      cached_tokens INTEGER,
      output_tokens INTEGER,
      audio_milliseconds INTEGER,
      audio_bytes INTEGER,
      cost_nano_euro INTEGER,
      usage_source INTEGER,
      flags INTEGER,
      status INTEGER,
      first_byte_milliseconds INTEGER,
      total_milliseconds INTEGER
    ) STRICT;
    CREATE TABLE span (
      first INTEGER PRIMARY KEY,
      last INTEGER NOT NULL,
      lowest BLOB NOT NULL,
      highest BLOB NOT NULL
    ) STRICT;
    CREATE VIEW request AS
      SELECT id, key, model, route, state, reserved_nano_euro, price, price_table, fresh_tokens,
        cached_tokens, output_tokens, audio_milliseconds, audio_bytes, cost_nano_euro,
        usage_source, flags, status, first_byte_milliseconds, total_milliseconds
      FROM ended
      UNION ALL
      SELECT id, key, model, route, 0, reserved_nano_euro, price, price_table, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
      FROM reservation;

    CREATE TABLE audit (
      row INTEGER PRIMARY KEY,
      at INTEGER NOT NULL,
      actor TEXT NOT NULL,
      uid INTEGER NOT NULL,
      action TEXT NOT NULL,
      target TEXT,
      reason TEXT,
      changes TEXT
    ) STRICT;
    """

  /// What a key may do and spend, reserved tokens, sums by day, and the heads of the chains.
  ///
  /// `total` sums up the rows that spans cover, by the day of their ids; the commit that closes a
  /// span adds them. `head` is a link of a chain (`LedgerChain`): in `span` the one after its last
  /// row, in `audit` the one after the row. Lists of `key` are JSON arrays of texts, `endpoints` a
  /// set of bits by `Route.rawValue`; null allows all.
  private static let second = """
    ALTER TABLE key ADD COLUMN owner TEXT;
    ALTER TABLE key ADD COLUMN tags TEXT;
    ALTER TABLE key ADD COLUMN models TEXT;
    ALTER TABLE key ADD COLUMN endpoints INTEGER;
    ALTER TABLE key ADD COLUMN networks TEXT;
    ALTER TABLE key ADD COLUMN tokens_per_minute INTEGER;
    ALTER TABLE key ADD COLUMN concurrent_requests INTEGER;
    ALTER TABLE key ADD COLUMN day_budget INTEGER;
    ALTER TABLE key ADD COLUMN month_budget INTEGER;
    ALTER TABLE key ADD COLUMN warning_percent INTEGER;
    ALTER TABLE key ADD COLUMN is_cache_off INTEGER NOT NULL DEFAULT 0;

    ALTER TABLE reservation ADD COLUMN reserved_tokens INTEGER;
    ALTER TABLE ended ADD COLUMN reserved_tokens INTEGER;
    DROP VIEW request;
    CREATE VIEW request AS
      SELECT id, key, model, route, state, reserved_nano_euro, reserved_tokens, price, price_table,
        fresh_tokens, cached_tokens, output_tokens, audio_milliseconds, audio_bytes,
        cost_nano_euro, usage_source, flags, status, first_byte_milliseconds, total_milliseconds
      FROM ended
      UNION ALL
      SELECT id, key, model, route, 0, reserved_nano_euro, reserved_tokens, price, price_table,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
      FROM reservation;

    CREATE TABLE total (
      day INTEGER NOT NULL,
      key INTEGER NOT NULL,
      model INTEGER NOT NULL,
      route INTEGER NOT NULL,
      settled INTEGER NOT NULL,
      released INTEGER NOT NULL,
      unsettled INTEGER NOT NULL,
      unpriced INTEGER NOT NULL,
      fresh_tokens INTEGER NOT NULL,
      cached_tokens INTEGER NOT NULL,
      output_tokens INTEGER NOT NULL,
      audio_milliseconds INTEGER NOT NULL,
      audio_bytes INTEGER NOT NULL,
      cost_nano_euro INTEGER NOT NULL,
      PRIMARY KEY (day, key, model, route)
    ) STRICT, WITHOUT ROWID;

    ALTER TABLE span ADD COLUMN head BLOB;
    ALTER TABLE audit ADD COLUMN before BLOB;
    ALTER TABLE audit ADD COLUMN after BLOB;
    ALTER TABLE audit ADD COLUMN head BLOB;
    INSERT INTO setting VALUES ('\(LedgerMark.ledgerID.rawValue)', randomblob(32));

    CREATE TABLE alarm (
      row INTEGER PRIMARY KEY,
      kind TEXT NOT NULL,
      subject TEXT NOT NULL,
      since INTEGER NOT NULL,
      acknowledged_at INTEGER,
      ended_at INTEGER
    ) STRICT;
    CREATE TABLE offer (
      model INTEGER PRIMARY KEY,
      first_seen INTEGER NOT NULL,
      last_seen INTEGER NOT NULL,
      gone_at INTEGER
    ) STRICT;
    """
}

extension LedgerSchema {
  /// Sums up and links what the file held before it knew how.
  private static func third(_ database: Database) throws(StoreError) {
    try EndedSpan.rebuild(in: database)
    try AuditChain.extend(in: database)
  }
}

/// Rows of `setting` that are no limits.
enum LedgerMark: String, Sendable {
  /// Which pepper the digests are under.
  case pepper
  /// Written whenever the ledger was healed, to learn whether it takes writes again.
  case healedAt = "healed_at"
  /// 32 random bytes: which ledger this is, and where its chains begin.
  case ledgerID = "ledger_id"
}
