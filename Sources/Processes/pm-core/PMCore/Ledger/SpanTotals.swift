import PMStore

/// Sums of rows that no span covers yet; the commit that closes their span adds them to `total`.
struct SpanTotals {
  private(set) var sums: [UsageGroup: UsageSum] = [:]

  mutating func add(_ row: EndedRow) { sums[UsageGroup(row), default: UsageSum()].add(row) }

  /// Adds the sums to those of the file.
  func add(to database: Database) throws(StoreError) {
    let statement = try database.prepare(Self.addition)
    for (group, sum) in sums {
      try statement.bind(1, group.day)
      try statement.bind(2, group.key)
      try statement.bind(3, group.model)
      try statement.bind(4, group.route)
      try sum.bind(to: statement, from: 5)
      try statement.run()
    }
  }

  /// Reads the sums of the file, by days since 1970 and by the row of a key; all without them.
  static func read(
    _ database: Database, days: ClosedRange<Int64> = .min ... .max, key: Int64? = nil,
    _ each: (UsageGroup, UsageSum) -> Void
  ) throws(StoreError) {
    let rows = try database.prepare(
      """
      SELECT day, key, model, route, \(UsageSum.columns.joined(separator: ", ")) FROM total
      WHERE day BETWEEN ?1 AND ?2 \(key == nil ? "" : "AND key = ?3")
      """)
    try rows.bind(1, days.lowerBound)
    try rows.bind(2, days.upperBound)
    if let key { try rows.bind(3, key) }
    while try rows.step() {
      let group = UsageGroup(
        day: rows.integer(0), key: rows.integer(1), model: rows.integer(2), route: rows.integer(3))
      each(group, UsageSum(rows, from: 4))
    }
  }

  /// No member is negative, so none leaves its 64 bits: a sum stays at the largest number.
  private static let addition = """
    INSERT INTO total (day, key, model, route, \(UsageSum.columns.joined(separator: ", ")))
    VALUES (\((1...4 + UsageSum.columns.count).map { "?\($0)" }.joined(separator: ", ")))
    ON CONFLICT DO UPDATE SET
    \(UsageSum.columns.map { "\($0) = min(\($0), \(Int64.max) - excluded.\($0)) + excluded.\($0)" }
      .joined(separator: ", "))
    """
}
