import PMStore
import PMSystem
import PMWire

/// The one connection that writes, with its statements. It lives on the ledger's thread.
final class LedgerWriter {
  let database: Database
  private let begin: Statement
  private let commit: Statement
  private let insert: Statement
  private let update: Statement
  private let markUse: Statement
  private let lowerFloor: Statement
  /// Requests that are under way, to know how far back a start must look after a crash.
  private var open: Set<UInt128> = []
  /// No smaller id is under way, as the file has it.
  private var floor: UInt128?

  /// Ends a request whose end is not known: its whole reservation is charged.
  static let unsettle = """
    UPDATE request SET state = \(RequestState.unsettled.rawValue),
      cost_nano_euro = reserved_nano_euro, usage_source = \(Usage.Source.reservation.rawValue),
      flags = CASE WHEN reserved_nano_euro IS NULL THEN \(Usage.Flags.unpriced.rawValue) ELSE 0 END
    """

  /// Opens a ledger that is brought forward already.
  init(path: String) throws(StoreError) {
    database = try Database(path: path)
    begin = try database.prepare("BEGIN IMMEDIATE")
    commit = try database.prepare("COMMIT")
    insert = try database.prepare(
      """
      INSERT INTO request (id, key, model, route, state, reserved_nano_euro, price, price_table)
      VALUES (?1, ?2, ?3, ?4, \(RequestState.reserved.rawValue), ?5, ?6, ?7)
      """)
    update = try database.prepare(
      """
      UPDATE request SET state = ?2, fresh_tokens = ?3, cached_tokens = ?4, output_tokens = ?5,
        audio_milliseconds = ?6, audio_bytes = ?7, cost_nano_euro = ?8, usage_source = ?9,
        flags = ?10, status = ?11, first_byte_milliseconds = ?12, total_milliseconds = ?13
      WHERE id = ?1 AND state = \(RequestState.reserved.rawValue)
      """)
    markUse = try database.prepare("UPDATE key SET last_used_day = ?2 WHERE row = ?1")
    lowerFloor = try database.prepare(
      """
      INSERT INTO setting (name, value) VALUES ('\(LedgerMark.openFloor.rawValue)', ?1)
      ON CONFLICT (name) DO UPDATE SET value = min(value, excluded.value)
      """)
  }

  /// Writes a batch in one transaction; when this returns it is on disk.
  func write(_ operations: [LedgerOperation]) throws(StoreError) {
    try transaction { () throws(StoreError) in
      var lowest = floor ?? .max
      for operation in operations {
        switch operation {
        case .reserve(let row, _):
          try reserve(row)
          lowest = min(lowest, row.id.bits)
        case .settle(let row, _): try settle(row)
        case .use(let use):
          try markUse.bind(1, use.key)
          try markUse.bind(2, Int64(use.day))
          try markUse.run()
        }
      }
      // Once for a run, and again only if the clock went back.
      if lowest != floor ?? .max { try writeFloor(lowest) }
    }
    for operation in operations {
      switch operation {
      case .reserve(let row, _):
        open.insert(row.id.bits)
        floor = min(floor ?? .max, row.id.bits)
      case .settle(let row, _): open.remove(row.id.bits)
      case .use: break
      }
    }
  }

  private func reserve(_ row: ReservationRow) throws(StoreError) {
    try insert.bind(1, blob: row.id.bits)
    try insert.bind(2, row.key)
    try insert.bind(3, Int64(row.model.row))
    try insert.bind(4, Int64(row.route.rawValue))
    try insert.bind(5, row.reservedNanoEuro)
    try insert.bind(6, Int64(row.price))
    try insert.bind(7, Int64(row.priceTable))
    try insert.run()
  }

  private func settle(_ row: SettlementRow) throws(StoreError) {
    try update.bind(1, blob: row.id.bits)
    try update.bind(2, Int64(row.state.rawValue))
    try update.bind(3, row.usage.fresh)
    try update.bind(4, row.usage.cached)
    try update.bind(5, row.usage.output)
    try update.bind(6, row.usage.audioMilliseconds)
    try update.bind(7, row.usage.bytes)
    try update.bind(8, row.costNanoEuro)
    try update.bind(9, Int64(row.usage.source.rawValue))
    var flags = row.usage.flags
    if row.isAboveReservation { flags.insert(.aboveReservation) }
    try update.bind(10, Int64(flags.rawValue))
    try update.bind(11, Int64(row.status))
    try update.bind(12, row.firstByteMilliseconds.map { Int64($0) })
    try update.bind(13, Int64(row.totalMilliseconds))
    try update.run()
  }

  private func writeFloor(_ id: UInt128) throws(StoreError) {
    try lowerFloor.bind(1, blob: id)
    try lowerFloor.run()
  }

  /// Writes a set of changes in a transaction of its own, so that it cannot fail with requests, nor
  /// requests with it.
  func write(_ set: ChangeSet) throws(StoreError) {
    try transaction { () throws(StoreError) in
      for change in set.changes { try change.write(to: database) }
    }
  }

  private func transaction(_ body: () throws(StoreError) -> Void) throws(StoreError) {
    do {
      try begin.run()
      try body()
      try commit.run()
    } catch {
      database.rollBack()
      throw error
    }
  }

  /// Moves the log into the file, and notes from where a start after a crash has to look.
  func checkpoint() throws(StoreError) {
    let oldest = open.min()
    if oldest != floor {
      let change = try database.prepare(
        oldest == nil
          ? "DELETE FROM setting WHERE name = ?1" : "UPDATE setting SET value = ?2 WHERE name = ?1")
      try change.bind(1, text: LedgerMark.openFloor.rawValue)
      if let oldest { try change.bind(2, blob: oldest) }
      try change.run()
      floor = oldest
    }
    try database.checkpoint()
  }

  /// Takes over from a connection that failed: gives every request the end that its failed
  /// operation left open, and proves that the file takes writes.
  func heal(
    _ stranded: [StrandedRequest], from failed: LedgerWriter?, at time: WallTime
  ) throws(StoreError) {
    if let failed { (open, floor) = (failed.open, failed.floor) }
    try transaction { () throws(StoreError) in
      let unsettle = try database.prepare("\(Self.unsettle) WHERE id = ?1 AND state = 0")
      let release = try database.prepare(
        """
        UPDATE request SET state = \(RequestState.released.rawValue), cost_nano_euro = 0,
          flags = \(Usage.Flags.notSent.rawValue) WHERE id = ?1 AND state = 0
        """)
      for request in stranded {
        let statement = request.wasSent ? unsettle : release
        try statement.bind(1, blob: request.id)
        try statement.run()
      }
      try LedgerChange.putMark(.healedAt, Array(String(time.microseconds).utf8)).write(to: database)
    }
    for request in stranded { open.remove(request.id) }
  }
}

/// A request whose row may lack its end, because the ledger failed.
struct StrandedRequest: Sendable {
  let id: UInt128
  /// False if the failed operation was the reservation: then nothing reached the vendor, and the
  /// row exists only if the disk took a commit that it reported as failed.
  let wasSent: Bool
}
