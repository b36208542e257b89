import PMCrypto
import PMStore
import PMSystem

/// Where the ledger does not hold, and among which rows.
struct LedgerFault: Equatable {
  enum What: String {
    /// A row is missing, is there twice, or has no id.
    case rows
    /// A row was changed after it was linked, or another is in its place.
    case links
    /// A span does not tell where its rows lie in time.
    case span
    /// Sums are not those of the rows.
    case totals
    /// The chain ends before a link that is known.
    case end
  }
  let what: What
  let rows: ClosedRange<Int64>
}

/// A walk over all that is kept for good: both chains, and what spans and sums say of the rows. It
/// holds no transaction for long, so that the log does not grow meanwhile.
struct LedgerVerification {
  /// How far a chain was walked, and where it broke.
  struct Finding {
    let walked: ChainHead
    /// The first one; nil if the chain holds.
    let fault: LedgerFault?
  }

  let origin: Digest256
  let ledger: Finding
  let audit: Finding

  /// `links` and those of `audit` are known from elsewhere, and looked for on the way.
  init(
    _ database: Database, links: [ChainHead] = [], audit known: [ChainHead] = []
  ) throws(StoreError) {
    origin = try LedgerChain.origin(of: database)
    var walk = try EndedWalk(database, Steps(from: origin, known: links))
    let fault = try walk.walk()
    ledger = Finding(walked: walk.steps.walked, fault: fault)
    audit = try Self.walkAudit(database, Steps(from: origin, known: known))
  }

  private static func walkAudit(
    _ database: Database, _ start: Steps
  ) throws(StoreError) -> Finding {
    var steps = start
    var fault = steps.check()
    let rows = try AuditChain.rows(of: database, from: .min)
    while fault == nil, try rows.step() {
      fault = steps.next(rows.integer(AuditChain.row)) { $0.append(AuditChain.text(rows)) }
      fault = fault ?? steps.check(Digest256(rows.blob(AuditChain.link).span))
    }
    return Finding(walked: steps.walked, fault: fault ?? steps.end())
  }
}

/// One chain on the way.
private struct Steps {
  private let chain: LedgerChain
  private var row: Int64 = 0
  /// The last row whose link was right.
  private var proven: Int64 = 0
  /// In the order in which they come.
  private var known: ArraySlice<ChainHead>

  init(from origin: Digest256, known: [ChainHead]) throws(StoreError) {
    chain = try LedgerChain(from: origin)
    self.known = known.sorted { $0.rows < $1.rows }[...]
  }

  var walked: ChainHead { ChainHead(rows: row, head: chain.head) }

  /// Goes on to a row, which must be the next.
  mutating func next(_ found: Int64, _ append: (LedgerChain) -> Void) -> LedgerFault? {
    guard found == row + 1 else { return missing(before: found) }
    row = found
    append(chain)
    return check()
  }

  func missing(before found: Int64) -> LedgerFault {
    LedgerFault(what: .rows, rows: row + 1...max(row + 1, found))
  }

  /// Compares the present link with those that are known.
  mutating func check() -> LedgerFault? {
    while let first = known.first, first.rows <= row {
      known.removeFirst()
      if let fault = check(first.head) { return fault }
    }
    return nil
  }

  /// Compares the present link with the one that it must be.
  mutating func check(_ head: Digest256?) -> LedgerFault? {
    guard head == chain.head else {
      return LedgerFault(what: .links, rows: min(proven + 1, row)...row)
    }
    proven = row
    return nil
  }

  /// After the last row nothing must be known to follow.
  func end() -> LedgerFault? {
    known.last.map { LedgerFault(what: .end, rows: row + 1...max(row + 1, $0.rows)) }
  }
}

/// The chain of `ended`, span by span.
private struct EndedWalk {
  private let database: Database
  private let nextSpan: Statement
  private(set) var steps: Steps
  private var (lowest, highest) = (UInt128.max, UInt128.min)
  private var totals = SpanTotals()
  private var spans: Int64 = 0

  init(_ database: Database, _ steps: Steps) throws(StoreError) {
    self.database = database
    self.steps = steps
    nextSpan = try database.prepare(
      "SELECT last, lowest, highest, head, first FROM span WHERE last > ?1 ORDER BY first LIMIT 1")
  }

  /// The first fault; nil if all holds.
  mutating func walk() throws(StoreError) -> LedgerFault? {
    if let fault = steps.check() { return fault }
    if let fault = try walkSpans() { return fault }
    // Now at one instant: the spans that were closed meanwhile, the sums, and the rest.
    try database.execute("BEGIN")
    defer { database.rollBack() }
    if let fault = try walkSpans() { return fault }
    if let fault = try checkStrays() { return fault }
    if let fault = try checkTotals() { return fault }
    return try walkRows(through: .max) ?? steps.end()
  }

  private mutating func walkSpans() throws(StoreError) -> LedgerFault? {
    while true {
      try nextSpan.bind(1, steps.walked.rows)
      defer { nextSpan.reset() }
      guard try nextSpan.step() else { return nil }
      let (first, last) = (steps.walked.rows + 1, nextSpan.integer(0))
      let (low, high) = (nextSpan.bits(1), nextSpan.bits(2))
      let head = Digest256(nextSpan.blob(3).span)
      (lowest, highest) = (.max, .min)
      if let fault = try walkRows(through: last) { return fault }
      guard steps.walked.rows == last else { return steps.missing(before: last) }
      if let fault = steps.check(head) { return fault }
      guard low == lowest, high == highest, nextSpan.integer(4) == first else {
        return LedgerFault(what: .span, rows: first...last)
      }
      spans += 1
    }
  }

  /// What a walk from row to row and from span to span does not meet: rows before the first, and
  /// spans within others, by which rows would be listed twice.
  private func checkStrays() throws(StoreError) -> LedgerFault? {
    if let first = try database.integer("SELECT min(row) FROM ended"), first < 1 {
      return LedgerFault(what: .rows, rows: first...first)
    }
    if try database.integer("SELECT count(*) FROM span") == spans { return nil }
    return LedgerFault(what: .span, rows: 1...max(1, steps.walked.rows))
  }

  private mutating func walkRows(through last: Int64) throws(StoreError) -> LedgerFault? {
    let rows = try database.prepare(
      "SELECT \(EndedRow.columns) FROM ended WHERE row > ?1 AND row <= ?2 ORDER BY row")
    try rows.bind(1, steps.walked.rows)
    try rows.bind(2, last)
    while try rows.step() {
      guard let row = EndedRow(rows) else { return steps.missing(before: rows.integer(0)) }
      if let fault = steps.next(row.number, { $0.append(row) }) { return fault }
      (lowest, highest) = (min(lowest, row.id.bits), max(highest, row.id.bits))
      totals.add(row)
    }
    return nil
  }

  /// The sums of the file must be those of the rows that spans cover.
  private func checkTotals() throws(StoreError) -> LedgerFault? {
    var sums = totals.sums
    var isSound = true
    try SpanTotals.read(database) { group, sum in
      if sums.removeValue(forKey: group) != sum { isSound = false }
    }
    if isSound, sums.isEmpty { return nil }
    return LedgerFault(what: .totals, rows: 1...max(1, steps.walked.rows))
  }
}
