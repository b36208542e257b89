import PMSystem
import Seeded
import Testing

@Suite struct CivilTimeTests {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", Int64(0)),
    ("2000-02-29T23:59:59Z", 951_868_799),
    ("2026-11-22T16:34:05Z", 1_795_365_245),
    ("1969-12-31T23:59:59Z", -1),
    ("0001-01-01T00:00:00Z", -62_135_596_800),
    ("9999-12-31T23:59:59Z", 253_402_300_799),
  ])
  func knownMoments(_ text: String, _ seconds: Int64) {
    #expect(WallTime(rfc3339: text)?.seconds == seconds)
    #expect(WallTime(seconds: seconds).civil.rfc3339 == text)
  }

  @Test(arguments: [
    ("2025-03-01t09:30:00z", "2025-03-01T09:30:00Z"),
    ("2025-03-01 09:30:00Z", "2025-03-01T09:30:00Z"),
    ("2025-03-01T09:30:00+02:00", "2025-03-01T07:30:00Z"),
    ("2025-03-01T00:15:00+01:30", "2025-02-28T22:45:00Z"),
    ("2025-12-31T23:30:00-01:00", "2026-01-01T00:30:00Z"),
    ("2025-03-01T09:30:00-00:00", "2025-03-01T09:30:00Z"),
    ("2025-03-01", "2025-03-01T00:00:00Z"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
  ])
  func otherFormsOfTheSameMoment(_ text: String, _ utc: String) {
    #expect(WallTime(rfc3339: text)?.civil.rfc3339 == utc)
  }

  @Test func fractionsAreReadToTheMicrosecond() {
    let whole = WallTime(rfc3339: "2025-03-01T09:30:00Z")?.microseconds ?? 0
    func fraction(_ digits: String) -> Int64? {
      WallTime(rfc3339: "2025-03-01T09:30:00.\(digits)Z").map { $0.microseconds - whole }
    }
    #expect(fraction("5") == 500_000)
    #expect(fraction("000001") == 1)
    #expect(fraction("123456789") == 123_456)
    #expect(fraction(String(repeating: "9", count: 100)) == 999_999)
    #expect(fraction("") == nil)
  }

  @Test(arguments: [
    "", "2025", "2025-03", "2025-3-1", "2025-13-01", "2025-00-01", "2025-04-31", "2025-02-29",
    "1900-02-29", "2025-03-00", "2025-03-01T", "2025-03-01T09:30", "2025-03-01T09:30:00",
    "2025-03-01T24:00:00Z", "2025-03-01T09:60:00Z", "2025-03-01T09:30:61Z", "2025-03-01T09:30:00ZZ",
    "2025-03-01T09:30:00+2:00", "2025-03-01T09:30:00+24:00", "2025-03-01T09:30:00+02:60",
    "2025-03-01T09:30:00+0200", "2025-03-01Z", "2025-03-01 ", " 2025-03-01", "+2025-03-01",
    "2025-03-01T09:30:00.Z", "2025/03/01", "٢٠٢٥-03-01", "2025-03-01_09:30:00Z",
  ])
  func otherTextIsNoTime(_ text: String) { #expect(WallTime(rfc3339: text) == nil) }

  /// Every day of some centuries, counted on by hand.
  @Test func daysFollowOneAnother() {
    let first = CivilTime.days(year: 1895, month: 1, day: 1)
    var (year, month, day) = (Int64(1895), 1, 1)
    for number in first..<first + 80_000 {
      let civil = WallTime(seconds: number * 86_400 + 86_399).civil
      guard civil.year == year, civil.month == month, civil.day == day,
        CivilTime.days(year: year, month: month, day: day) == number
      else {
        Issue.record("day \(number) is not \(year)-\(month)-\(day)")
        return
      }
      let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      let length = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
      day += 1
      if day > length { (day, month) = (1, month + 1) }
      if month > 12 { (month, year) = (1, year + 1) }
    }
  }

  @Test func whatIsWrittenIsReadBack() {
    var random = SeededRandom(seed: 7)
    for _ in 0..<2000 {
      let time = WallTime(seconds: .random(in: -62_135_596_800...253_402_300_799, using: &random))
      #expect(WallTime(rfc3339: time.civil.rfc3339) == time)
      #expect(time.startOfDay.civil.rfc3339 == time.civil.date + "T00:00:00Z")
      #expect(time.startOfDay <= time)
    }
  }

  @Test func timesBefore1970RoundDown() {
    let time = WallTime(microseconds: -1)
    #expect(time.seconds == -1)
    #expect(time.civil.rfc3339 == "1969-12-31T23:59:59Z")
    #expect(time.civil.dateAndMinute == "1969-12-31 23:59")
    #expect(Int64(-6).floorDivided(by: 3) == -2)
    #expect(Int64(-7).floorDivided(by: 3) == -3)
  }

  @Test func instantsNeitherOverflowNorGoBack() {
    let now = Instant(nanoseconds: 5_000_000)
    #expect(Instant.never.adding(milliseconds: 1) == .never)
    #expect(now.adding(seconds: 1).millisecondsSince(now) == 1000)
    #expect(now.millisecondsSince(now.adding(seconds: 1)) == 0)
    #expect(now.microsecondsSince(.never) == 0)
  }
}
