import PMSystem

/// Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or a date in any of the three forms of 5.6.7.
enum RetryAfter {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// Whole seconds from `now` on, at least 1 and at most `CoreBounds.throttleSecondsMax`; nil if it
  /// is neither a number nor a date.
  static func seconds(_ text: String, at now: WallTime) -> Int? {
    guard let seconds = Int64(text) ?? date(text).map({ $0 - now.seconds }) else { return nil }
    return Int(min(max(1, seconds), Int64(CoreBounds.throttleSecondsMax)))
  }

  /// Seconds since 1970. The forms differ in order and separators: what matters are the name of the
  /// month, the time, and the numbers of day and year, which always come in this order.
  private static func date(_ text: String) -> Int64? {
    var month: Int?
    var clock: [Int] = []
    var numbers: [Int] = []
    for word in text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "-" }) {
      if word.contains(":") {
        clock = word.split(separator: ":").compactMap { Int($0) }
      } else if let number = Int(word) {
        numbers.append(number)
      } else if let index = months.firstIndex(where: { $0 == word }) {
        month = index + 1
      }
    }
    guard let month, clock.count == 3, numbers.count == 2, (1...31).contains(numbers[0]),
      (0...9999).contains(numbers[1]), clock.allSatisfy({ (0...60).contains($0) }), clock[0] < 24
    else { return nil }
    // Two digits are a year of this century: no date that lies ahead is of the last one.
    let year = numbers[1] < 100 ? 2000 + numbers[1] : numbers[1]
    let days = CivilTime.days(year: Int64(year), month: month, day: numbers[0])
    return days * 86_400 + Int64(clock[0] * 3600 + clock[1] * 60 + clock[2])
  }
}
