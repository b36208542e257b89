import PMStore

/// The last rows of `ended`, on their way to a row of `span`.
struct EndedSpan {
  /// Rows that a span covers: a tenth of a millisecond of reading, and a thousandth of the writing.
  static let rowsMax: Int64 = 1024

  let first: Int64
  /// The row after the last.
  private(set) var next: Int64
  private(set) var lowest = UInt128.max
  private(set) var highest = UInt128.min

  init(first: Int64) { (self.first, next) = (first, first) }

  /// Reads from the file what was not covered yet.
  init(_ database: Database) throws(StoreError) {
    first = try database.integer("SELECT ifnull(max(last), 0) + 1 FROM span") ?? 1
    next = first
    let rows = try database.prepare(
      "SELECT max(row), min(id), max(id) FROM ended WHERE row >= ?1")
    try rows.bind(1, first)
    guard try rows.step(), !rows.isNull(0) else { return }
    guard let lowest = rows.bits(1), let highest = rows.bits(2) else { throw .damaged }
    (next, self.lowest, self.highest) = (rows.integer(0) + 1, lowest, highest)
  }

  var isFull: Bool { next - first >= Self.rowsMax }

  mutating func add(_ id: UInt128) {
    (lowest, highest) = (min(lowest, id), max(highest, id))
    next += 1
  }
}
