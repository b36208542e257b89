import PMCrypto
import PMStore
import PMSystem

/// The last rows of `ended`, on their way to a row of `span`: where they lie in time, what they sum
/// up to, and the chain as far as it goes.
struct EndedSpan {
  /// Rows that a span covers: a tenth of a millisecond of reading, and a thousandth of the writing.
  static let rowsMax: Int64 = 1024

  private let first: Int64
  /// The row after the last.
  private(set) var next: Int64
  private var lowest = UInt128.max
  private var highest = UInt128.min
  private var totals = SpanTotals()
  /// It goes on from span to span.
  private let chain: LedgerChain

  private init(first: Int64, chain: LedgerChain) {
    (self.first, next, self.chain) = (first, first, chain)
  }

  /// Reads from the file what was not covered yet. Throws `.damaged` if the file does not have the
  /// rows that were `known` to be in it.
  init(_ database: Database, known: ChainHead? = nil) throws(StoreError) {
    let covered = try ChainHead.covered(in: database, before: .max)
    self.init(first: covered.rows + 1, chain: try LedgerChain(from: covered.head))
    try check(known)
    let rows = try EndedRow.rows(of: database, from: first)
    while let row = try rows.next() {
      add(row)
      try check(known)
    }
    if let known, known.rows >= next { throw .damaged }
  }

  private func check(_ known: ChainHead?) throws(StoreError) {
    if let known, known.rows == next - 1, known.head != chain.head { throw .damaged }
  }

  var chainHead: ChainHead { ChainHead(rows: next - 1, head: chain.head) }
  var isFull: Bool { next - first >= Self.rowsMax }

  mutating func add(_ row: EndedRow) {
    (lowest, highest) = (min(lowest, row.id.bits), max(highest, row.id.bits))
    next = row.number + 1
    totals.add(row)
    chain.append(row)
  }

  /// Writes the span and its sums, and begins the next one.
  mutating func close(in database: Database) throws(StoreError) {
    let statement = try database.prepare(
      "INSERT INTO span (first, last, lowest, highest, head) VALUES (?1, ?2, ?3, ?4, ?5)")
    try statement.bind(1, first)
    try statement.bind(2, next - 1)
    try statement.bind(3, blob: lowest)
    try statement.bind(4, blob: highest)
    try statement.bind(5, blob: chain.head.bytes)
    try statement.run()
    try totals.add(to: database)
    self = EndedSpan(first: next, chain: chain)
  }

  /// Covers all rows anew: for a file of a schema that knew neither sums nor chains.
  static func rebuild(in database: Database) throws(StoreError) {
    try database.execute("DELETE FROM span; DELETE FROM total")
    var span = EndedSpan(
      first: 1, chain: try LedgerChain(from: LedgerChain.origin(of: database)))
    let rows = try EndedRow.rows(of: database, from: 1)
    while let row = try rows.next() {
      span.add(row)
      if span.isFull { try span.close(in: database) }
    }
  }
}
