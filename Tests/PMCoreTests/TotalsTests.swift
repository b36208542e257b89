import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

/// Sums of the rows that a test chooses, by a walk over all of them.
private func walk(
  _ database: Database, where isWanted: (EndedRow) -> Bool
) throws -> [UsageGroup: UsageSum] {
  var sums: [UsageGroup: UsageSum] = [:]
  let rows = try EndedRow.rows(of: database, from: 1)
  while let row = try rows.next() {
    if isWanted(row) { sums[UsageGroup(row), default: UsageSum()].add(row) }
  }
  return sums
}

private func read(_ totals: PeriodTotals, _ database: Database) throws -> [UsageGroup: UsageSum] {
  var sums: [UsageGroup: UsageSum] = [:]
  try #require(try totals.read(database) { sums[$0, default: UsageSum()].add($1) })
  return sums
}

struct TotalsTests {
  @Test(
    "The sums of any period are those of its rows, whatever the clock did and however large",
    arguments: [(1, false), (2, false), (3, true)] as [(UInt64, Bool)])
  func periods(seed: UInt64, hasHugeCounts: Bool) throws {
    let scratch = try Scratch()
    var ledger = RandomLedger(seed: seed)
    ledger.hasHugeCounts = hasHugeCounts
    let path = scratch.file(LedgerSchema.fileName)
    do { try ledger.write(900, by: try LedgerWriter(new: scratch)) }
    // A start in between takes up what the file has, and closes spans of its own.
    for _ in 0..<6 { try ledger.write(.random(in: 1...900), by: try LedgerWriter(path: path)) }
    let database = try Database(path: path, .readOnly)
    #expect(try database.integer("SELECT count(*) FROM span") ?? 0 > 1)
    var times: [Int64] = []
    let rows = try EndedRow.rows(of: database, from: 1)
    while let row = try rows.next() { times.append(row.id.time.microseconds) }
    let (first, last) = (try #require(times.min()), try #require(times.max()))
    var random = ledger.random
    for number in 0..<60 {
      var ends = (0..<2).map { _ in
        WallTime(microseconds: .random(in: first - 100_000_000_000...last, using: &random))
      }
      if number.isMultiple(of: 2) { ends = ends.map(\.startOfDay) }
      if number.isMultiple(of: 5) { ends[0] = ends[0].startOfDay }
      ends.sort()
      if number == 7 { ends = [WallTime(seconds: 0), WallTime(microseconds: last + 1000)] }
      let key: Int64? = number.isMultiple(of: 3) ? .random(in: 1...5, using: &random) : nil
      let range = RequestID.lowest(at: ends[0])..<RequestID.lowest(at: ends[1])
      let sums = try read(PeriodTotals(start: ends[0], end: ends[1], key: key), database)
      let expected = try walk(database) {
        range.contains($0.id) && (key == nil || $0[.key] == key)
      }
      #expect(sums == expected)
    }
    #expect(try LedgerVerification(database).ledger.fault == nil)
  }

  @Test("A whole day is read from the sums, not from its rows")
  func wholeDays() throws {
    let scratch = try Scratch()
    var ledger = RandomLedger(seed: 5)
    try ledger.write(4000, by: try LedgerWriter(new: scratch))
    let database = try Database(path: scratch.file(LedgerSchema.fileName))
    let covered = try #require(try database.integer("SELECT max(last) FROM span"))
    try database.execute("UPDATE ended SET cost_nano_euro = 1 WHERE row <= \(covered)")
    try database.execute("UPDATE total SET cost_nano_euro = 7")
    let year = WallTime(day: 365 * 60)
    let sums = try read(PeriodTotals(start: .init(day: 0), end: year, key: 3), database)
    let expected = try database.integer(
      """
      SELECT (SELECT 7 * count(*) FROM total WHERE key = 3)
        + (SELECT sum(cost_nano_euro) FROM ended WHERE row > \(covered) AND key = 3)
      """)
    #expect(sums.values.reduce(0) { $0 + $1[.nanoEuro] } == expected)
  }
}

struct UsageExportTests {
  @Test("Every grouping sums up to the rows, as JSON and as CSV, to the nano-euro")
  func groups() throws {
    let scratch = try Scratch()
    var ledger = RandomLedger(seed: 6)
    do { try ledger.write(3000, by: try LedgerWriter(new: scratch)) }
    let bench = try Bench(scratch)
    var rows: [JSONValue] = []
    var after = ""
    while true {
      let page = bench.ask("GET", "/usage/rows?period=all&limit=1000\(after)").json
      rows += page["rows"]?.array ?? []
      guard let next = page["next"]?.string else { break }
      after = "&after=\(next)"
    }
    let cost = rows.reduce(0) { $0 + ($1["cost_nano_euro"]?.integer ?? 0) }
    let requests = rows.count { $0["state"] != "released" }
    for by in ["day", "key", "model", "endpoint", "day,key,model,endpoint", "model,day"] {
      let target = "/usage/export?by=\(by)&period=all"
      let export = bench.ask("GET", target).json
      let lines = export["rows"]?.array ?? []
      #expect(lines.reduce(0) { $0 + ($1["cost_nano_euro"]?.integer ?? 0) } == cost)
      #expect(lines.reduce(0) { $0 + ($1["requests"]?.integer ?? 0) } == Int64(requests))
      #expect(export["total"]?["cost_nano_euro"]?.integer == cost)
      #expect(export["by"]?.array?.count == by.split(separator: ",").count)
      let csv = String(decoding: bench.ask("GET", target + "&format=csv").bytes, as: UTF8.self)
        .split(separator: "\r\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
      let column = try #require(csv[0].firstIndex(of: "cost_nano_euro"))
      #expect(csv.dropFirst().reduce(0) { $0 + (Int64($1[column]) ?? 0) } == cost)
      #expect(csv.count == lines.count + 1 && csv.allSatisfy { $0.count == csv[0].count })
    }
    #expect(bench.ask("GET", "/usage?period=all").json["total_cost_nano_euro"]?.integer == cost)
    let first = try #require(rows.first?["time"]?.string?.prefix(10))
    let day = bench.ask("GET", "/usage/export?by=day&period=all").json["rows"]?.array?.first
    #expect(day?["date"]?.string.map { $0 == first } == true)
  }

  @Test("What is not known is refused by name")
  func refusals() throws {
    let bench = try Bench(Scratch())
    for query in ["", "by=", "by=day,", "by=hour", "by=day,day", "by=day&format=xml"] {
      #expect(bench.ask("GET", "/usage/export?\(query)").status == 422)
    }
    #expect(bench.ask("POST", "/usage/export?by=day").status == 405)
    let empty = bench.ask("GET", "/usage/export?by=day").json
    #expect(empty["rows"]?.array?.isEmpty == true && empty["total"]?["cost_eur"] == "0.00")
  }
}
