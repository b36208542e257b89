import PMSystem
import Testing

@testable import PMCore

private func time(_ text: String) throws -> WallTime { try #require(WallTime(rfc3339: text)) }

struct SpendingTests {
  @Test(
    "Days and months are those of UTC",
    arguments: [
      ("2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z", true, false),
      ("2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z", true, true),
      ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", true, true),
      ("2028-02-28T23:59:59Z", "2028-02-29T00:00:00Z", true, false),
      ("2028-02-29T23:59:59Z", "2028-03-01T00:00:00Z", true, true),
      ("2027-02-28T23:59:59Z", "2027-03-01T00:00:00Z", true, true),
      // The change to summer time, and a leap second's place, are no border.
      ("2026-03-29T00:59:59Z", "2026-03-29T02:00:00Z", false, false),
      ("2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z", true, true),
    ])
  func borders(before: String, after: String, isNewDay: Bool, isNewMonth: Bool) throws {
    let (a, b) = (BudgetPeriods(try time(before)), BudgetPeriods(try time(after)))
    #expect((b.day == a.day + 1) == isNewDay && (b.month == a.month + 1) == isNewMonth)
    #expect(isNewDay || a.day == b.day)
    #expect(isNewMonth || a.month == b.month)
  }

  @Test("Open reservations count as spent, and settle to the truth")
  func reservation() {
    var spending = Spending()
    spending.turn(to: 10)
    spending.reserve(60)
    #expect(spending.left(of: 100) == 40)
    spending.settle(60, of: 10, to: 25)
    #expect(spending.left(of: 100) == 75)
    spending.reserve(80)
    #expect(spending.left(of: 100) == 0)
  }

  @Test("What a request costs belongs to the day of its reservation, whenever it ends")
  func midnight() {
    var spending = Spending()
    spending.turn(to: 10)
    spending.reserve(60)
    spending.turn(to: 11)
    #expect(spending.left(of: 100) == 100)
    spending.settle(60, of: 10, to: 50)
    #expect(spending.left(of: 100) == 100)
    spending.turn(to: 10)
    #expect(spending.left(of: 100) == 50)
  }

  @Test("A clock that goes back an hour over midnight neither refunds nor loses")
  func clockBack() throws {
    let (late, early) = (try time("2026-11-23T00:30:00Z"), try time("2026-11-22T23:30:00Z"))
    var spending = Spending()
    func turn(_ time: WallTime) { spending.turn(to: BudgetPeriods(time).day) }
    turn(early)
    spending.reserve(70)
    spending.settle(70, of: BudgetPeriods(early).day, to: 70)
    turn(late)
    #expect(spending.left(of: 100) == 100)
    spending.reserve(40)
    spending.settle(40, of: BudgetPeriods(late).day, to: 40)
    turn(early)
    #expect(spending.left(of: 100) == 30)
    turn(late)
    #expect(spending.left(of: 100) == 60)
  }

  @Test("A clock that goes back to a day that nobody knows gives nothing back")
  func clockFarBack() {
    var spending = Spending()
    spending.turn(to: 100)
    spending.reserve(90)
    spending.turn(to: 50)
    #expect(spending.left(of: 100) == 10)
    spending.turn(to: 100)
    #expect(spending.left(of: 100) == 10)
  }

  @Test("What the ledger knows of the two periods is taken up", arguments: [9, 11, 40])
  func restore(other: Int) {
    var spending = Spending()
    spending.turn(to: Int32(other))
    spending.turn(to: 10)
    for (number, nanoEuro) in [(8, 1000), (10, 30), (other, 40), (10, 5), (12, 7)] {
      spending.restore(Int64(nanoEuro), of: Int32(number))
    }
    #expect(spending.left(of: 100) == 65)
    spending.turn(to: Int32(other))
    #expect(spending.left(of: 100) == 60)
  }

  @Test("The warning and the end are told once in a period")
  func told() {
    var spending = Spending()
    spending.turn(to: 1)
    spending.reserve(79)
    spending.settle(79, of: 1, to: 79)
    let early = spending.becomesNear(80, of: 100)
    #expect(!early)
    spending.reserve(1)
    spending.settle(1, of: 1, to: 1)
    let (first, second) = (spending.becomesNear(80, of: 100), spending.becomesNear(80, of: 100))
    #expect(first && !second)
    let (end, again) = (spending.becomesSpent(), spending.becomesSpent())
    #expect(end && !again)
    spending.turn(to: 2)
    let next = spending.becomesSpent()
    #expect(next)
  }

  @Test("Sums are exact beyond 64 bits")
  func large() {
    var spending = Spending()
    spending.turn(to: 1)
    for _ in 0..<4 { spending.reserve(.max) }
    for _ in 0..<4 { spending.settle(.max, of: 1, to: 1) }
    #expect(spending.left(of: 10) == 6)
  }
}
