import PMStore
import PMSystem
import PMWire

/// The one connection that writes, with its statements. It lives on the ledger's thread.
final class LedgerWriter {
  let database: Database
  private let begin: Statement
  private let commit: Statement
  private let reserve: Statement
  private let free: Statement
  private let end: Statement
  private let markUse: Statement
  private let look: Statement
  /// What `reservation` holds, so that an end needs no search.
  private var open: OpenRequests
  /// Rows of `ended` that no `span` covers yet.
  private var span: EndedSpan
  /// The ends of the chains on disk.
  private(set) var heads: LedgerHeads

  /// Ends requests whose end is not known: their whole reservations are charged.
  static let unsettle = """
    INSERT INTO ended (id, key, model, route, state, reserved_nano_euro, reserved_tokens, price,
      price_table, cost_nano_euro, usage_source, flags)
    SELECT id, key, model, route, \(RequestState.unsettled.rawValue), reserved_nano_euro,
      reserved_tokens, price, price_table, reserved_nano_euro,
      \(Usage.Source.reservation.rawValue),
      CASE WHEN reserved_nano_euro IS NULL THEN \(Usage.Flags.unpriced.rawValue) ELSE 0 END
    FROM reservation
    """
  private static let release = """
    INSERT INTO ended (id, key, model, route, state, reserved_nano_euro, reserved_tokens, price,
      price_table, cost_nano_euro, flags)
    SELECT id, key, model, route, \(RequestState.released.rawValue), reserved_nano_euro,
      reserved_tokens, price, price_table, 0, \(Usage.Flags.notSent.rawValue)
    FROM reservation
    """

  /// Opens a ledger that is brought forward already. Throws `.damaged` if it does not have the rows
  /// that were `known` to be in it.
  init(path: String, known: LedgerHeads? = nil) throws(StoreError) {
    database = try Database(path: path)
    begin = try database.prepare("BEGIN IMMEDIATE")
    commit = try database.prepare("COMMIT")
    reserve = try database.prepare(
      "INSERT INTO reservation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
    free = try database.prepare("DELETE FROM reservation WHERE slot = ?1")
    end = try database.prepare(EndedRow.insertion)
    markUse = try database.prepare("UPDATE key SET last_used_day = ?2 WHERE row = ?1")
    look = try database.prepare("SELECT 1 FROM sqlite_schema")
    _ = try look.step()
    open = try OpenRequests(database)
    span = try EndedSpan(database, known: known?.ledger)
    let audit = try AuditChain.head(of: database, known: known?.audit)
    heads = LedgerHeads(ledger: span.chainHead, audit: audit)
  }

  /// Requests that have a reservation and no end.
  var openCount: Int { open.count }

  /// Writes a batch in one transaction; when this returns it is on disk.
  func write(_ operations: [LedgerOperation]) throws(StoreError) {
    try transaction { () throws(StoreError) in
      for operation in operations {
        switch operation {
        case .reserve(let row, _): try write(row)
        case .settle(let row, _): try write(row)
        case .use(let use):
          try markUse.bind(1, use.key)
          try markUse.bind(2, Int64(use.day))
          try markUse.run()
        }
      }
    }
    heads.ledger = span.chainHead
  }

  private func write(_ row: ReservationRow) throws(StoreError) {
    let slot = try open.add(row)
    try reserve.bind(1, slot)
    try reserve.bind(2, blob: row.id.bits)
    try reserve.bind(3, row.key)
    try reserve.bind(4, Int64(row.model.row))
    try reserve.bind(5, Int64(row.route.rawValue))
    try reserve.bind(6, row.reservedNanoEuro)
    try reserve.bind(7, Int64(row.price))
    try reserve.bind(8, Int64(row.priceTable))
    try reserve.bind(9, row.reservedTokens)
    try reserve.run()
  }

  private func write(_ row: SettlementRow) throws(StoreError) {
    // It has ended already.
    guard let (slot, reserved) = open.remove(row.id.bits) else { return }
    try free.bind(1, slot)
    try free.run()
    let ended = EndedRow(reserved, row, row: span.next)
    try ended.insert(by: end)
    span.add(ended)
    if span.isFull { try span.close(in: database) }
  }

  /// Writes a set of changes in a transaction of its own, so that it cannot fail with requests, nor
  /// requests with it.
  func write(_ set: ChangeSet) throws(StoreError) {
    heads.audit = try transaction { () throws(StoreError) in
      for change in set.changes { try change.write(to: database) }
      return try AuditChain.head(of: database, known: heads.audit)
    }
  }

  private func transaction<Value>(
    _ body: () throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    do {
      try beginWriting()
      let value = try body()
      try commit.run()
      return value
    } catch {
      database.rollBack()
      // What a broken rule undid may be in memory; after any other failure this object is not used.
      if error.isConstraint { try read() }
      throw error
    }
  }

  private func beginWriting() throws(StoreError) {
    do {
      try begin.run()
    } catch {
      guard error.isStale else { throw error }
      // Another program has written.
      try read()
      try begin.run()
    }
  }

  /// Takes up what the file says, and stays a reader of it from here on: a reader that begins to
  /// write takes one lock, and everything else would take three, in six system calls.
  private func read() throws(StoreError) {
    look.reset()
    _ = try look.step()
    open = try OpenRequests(database)
    span = try EndedSpan(database, known: heads.ledger)
  }

  /// Moves the log into the file.
  func checkpoint() throws(StoreError) {
    // A reader keeps the log from being written anew.
    look.reset()
    try database.checkpoint()
    _ = try look.step()
  }

  /// Gives every request the end that a failed operation left open, and proves that the file takes
  /// writes.
  func heal(_ stranded: [StrandedRequest], at time: WallTime) throws(StoreError) {
    try transaction { () throws(StoreError) in
      let unsettle = try database.prepare("\(Self.unsettle) WHERE slot = ?1")
      let release = try database.prepare("\(Self.release) WHERE slot = ?1")
      for request in stranded {
        guard let (slot, _) = open.remove(request.id) else { continue }
        let statement = request.wasSent ? unsettle : release
        try statement.bind(1, slot)
        try statement.run()
        try free.bind(1, slot)
        try free.run()
      }
      try LedgerChange.putMark(.healedAt, Array(String(time.microseconds).utf8)).write(to: database)
    }
    span = try EndedSpan(database, known: heads.ledger)
    heads.ledger = span.chainHead
  }
}

/// A request whose row may lack its end, because the ledger failed.
struct StrandedRequest: Sendable {
  let id: UInt128
  /// False if the failed operation was the reservation: then nothing reached the vendor, and the
  /// row exists only if the disk took a commit that it reported as failed.
  let wasSent: Bool
}
