/// A wall-clock time taken apart in the proleptic Gregorian calendar, UTC (RFC 3339).
public struct CivilTime: Equatable, Sendable {
  public var year: Int64
  public var month: Int
  public var day: Int
  public var hour: Int
  public var minute: Int
  public var second: Int

  public init(_ time: WallTime) {
    let seconds = time.seconds
    let days = seconds.floorDivided(by: 86_400)
    let rest = Int(seconds - days * 86_400)
    (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60)
    // Days are counted from 1 March of year 0, so that the leap day ends a year; an era is the
    // 400-year cycle of 146 097 days.
    let shifted = days + 719_468
    let era = shifted.floorDivided(by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    day = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// Whole days from 1970-01-01 to this day.
  public static func days(year: Int64, month: Int, day: Int) -> Int64 {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = shiftedYear.floorDivided(by: 400)
    let yearOfEra = shiftedYear - era * 400
    let shiftedMonth = Int64(month > 2 ? month - 3 : month + 9)
    let dayOfYear = (153 * shiftedMonth + 2) / 5 + Int64(day) - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// `2026-11-22T16:34:05Z`
  public var rfc3339: String {
    "\(date)T\(padded(hour)):\(padded(minute)):\(padded(second))Z"
  }
  /// `2026-11-22`
  public var date: String {
    let digits = String(year)
    let zeros = String(repeating: "0", count: max(0, 4 - digits.utf8.count))
    return "\(zeros)\(digits)-\(padded(month))-\(padded(day))"
  }
  /// `2026-11-22 16:34`
  public var dateAndMinute: String { "\(date) \(padded(hour)):\(padded(minute))" }

  private func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}

extension WallTime {
  public var civil: CivilTime { CivilTime(self) }
  /// Days since 1970-01-01 UTC.
  public var day: Int64 { seconds.floorDivided(by: 86_400) }
  /// 00:00 UTC of that day.
  public init(day: Int64) { self.init(seconds: day * 86_400) }
  /// 00:00 UTC of the first day of the same month.
  public var startOfMonth: WallTime {
    let civil = civil
    return WallTime(day: CivilTime.days(year: civil.year, month: civil.month, day: 1))
  }
  /// 00:00 UTC of the same day.
  public var startOfDay: WallTime { WallTime(day: day) }

  /// Reads RFC 3339 text (`2025-03-01T09:30:00Z`, with fraction or numeric offset), or a date
  /// alone, which is 00:00 UTC. Nil if it is neither, or names a day that does not exist.
  public init?(rfc3339 text: String) {
    var reader = TimeReader(text)
    guard let year = reader.number(4), reader.skip("-"), let month = reader.number(2),
      reader.skip("-"), let day = reader.number(2), (1...12).contains(month), day >= 1
    else { return nil }
    let days = CivilTime.days(year: Int64(year), month: month, day: day)
    let check = CivilTime(WallTime(seconds: days * 86_400))
    guard check.month == month, check.day == day else { return nil }
    guard !reader.isAtEnd else {
      self.init(seconds: days * 86_400)
      return
    }
    guard reader.skip("T") || reader.skip("t") || reader.skip(" "), let hour = reader.number(2),
      reader.skip(":"), let minute = reader.number(2), reader.skip(":"),
      let second = reader.number(2), hour < 24, minute < 60, second < 61
    else { return nil }
    let fraction = reader.skip(".") ? reader.fractionMicroseconds() : 0
    guard let fraction, let offset = reader.offsetSeconds(), reader.isAtEnd else { return nil }
    let total = days * 86_400 + Int64(hour * 3600 + minute * 60 + second) - Int64(offset)
    self.init(microseconds: total * 1_000_000 + Int64(fraction))
  }
}

private struct TimeReader {
  private let bytes: [UInt8]
  private var position = 0
  init(_ text: String) { bytes = Array(text.utf8) }

  var isAtEnd: Bool { position == bytes.count }

  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }
  private mutating func digit() -> Int? {
    guard position < bytes.count, (0x30...0x39).contains(bytes[position]) else { return nil }
    position += 1
    return Int(bytes[position - 1] - 0x30)
  }
  mutating func number(_ digits: Int) -> Int? {
    var value = 0
    for _ in 0..<digits {
      guard let next = digit() else { return nil }
      value = value * 10 + next
    }
    return value
  }
  /// Digits past the sixth are dropped.
  mutating func fractionMicroseconds() -> Int? {
    guard var value = digit() else { return nil }
    var digits = 1
    while let next = digit() {
      if digits < 6 {
        value = value * 10 + next
        digits += 1
      }
    }
    for _ in digits..<6 { value *= 10 }
    return value
  }
  mutating func offsetSeconds() -> Int? {
    if skip("Z") || skip("z") { return 0 }
    let sign = skip("+") ? 1 : skip("-") ? -1 : 0
    guard sign != 0, let hour = number(2), skip(":"), let minute = number(2), hour < 24, minute < 60
    else { return nil }
    return sign * (hour * 3600 + minute * 60)
  }
}
