import PMStore
import PMSystem

/// Sums of a period. Whole days come from `total`; rows are read for parts of a day at its ends,
/// and where no span covers them yet. What comes out is exactly what a walk over all rows gives.
struct PeriodTotals {
  /// A period with more rows to read is refused rather than waited for.
  static let secondsMax: UInt64 = 20
  private static let rowsBetweenLooks = 8192

  /// Milliseconds since 1970 UTC, as ids have them; the end does not belong to the period.
  private let milliseconds: Range<Int64>
  /// Row of a key; nil for all.
  private let key: Int64?

  init(start: WallTime, end: WallTime, key: Int64?) {
    let first = max(0, start.microseconds / 1000)
    milliseconds = first..<max(first, end.microseconds / 1000)
    self.key = key
  }

  /// Gives the sums in no order, a group perhaps several times, as they are at one instant: the
  /// caller has a transaction open. False if it would take too long.
  func read(
    _ database: Database, _ each: (UsageGroup, UsageSum) -> Void
  ) throws(StoreError) -> Bool {
    let day = WallTime(day: 1).microseconds / 1000
    let (first, last) = (
      (milliseconds.lowerBound + day - 1) / day, milliseconds.upperBound / day
    )
    var walk = Walk(key: key)
    if first < last {
      try SpanTotals.read(database, days: first...last - 1, key: key, each)
      guard
        try walk.read(database, LedgerSchema.coveredRanges, milliseconds.lowerBound..<first * day),
        try walk.read(database, LedgerSchema.coveredRanges, last * day..<milliseconds.upperBound),
        try walk.read(database, LedgerSchema.uncoveredRange, milliseconds)
      else { return false }
    } else {
      guard try walk.read(database, LedgerSchema.endedRanges, milliseconds) else { return false }
    }
    for (group, sum) in walk.totals.sums { each(group, sum) }
    return true
  }

  /// Sums up rows one by one.
  private struct Walk {
    let key: Int64?
    private(set) var totals = SpanTotals()
    private var seen = 0
    private let end = Instant.now().adding(seconds: PeriodTotals.secondsMax)

    init(key: Int64?) { self.key = key }

    /// False if time is up.
    mutating func read(
      _ database: Database, _ ranges: String, _ milliseconds: Range<Int64>
    ) throws(StoreError) -> Bool {
      if milliseconds.isEmpty { return true }
      let statement = try database.prepare(
        """
        SELECT \(EndedRow.columns) FROM \(ranges)
        WHERE id >= ?1 AND id < ?2 \(key == nil ? "" : "AND key = ?3")
        """)
      try statement.bind(1, blob: UInt128(milliseconds.lowerBound) << 80)
      try statement.bind(2, blob: UInt128(milliseconds.upperBound) << 80)
      if let key { try statement.bind(3, key) }
      let rows = EndedRows(statement)
      while let row = try rows.next() {
        totals.add(row)
        seen += 1
        if seen.isMultiple(of: PeriodTotals.rowsBetweenLooks), Instant.now() > end { return false }
      }
      return true
    }
  }
}
