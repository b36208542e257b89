/// A point in time as a UTC date, for the three forms in which the vendor prints it.
struct CivilTime {
  let epochSeconds: Int
  let nanoseconds: Int

  private struct Fields {
    var year, month, day, hour, minute, second, weekday: Int
  }

  /// Days to year, month and day in the proleptic Gregorian calendar, in eras of 400 years that
  /// begin on 1 March.
  private var fields: Fields {
    let days = epochSeconds / 86_400
    let second = epochSeconds % 86_400
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    return Fields(
      year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
      day: dayOfYear - (153 * marchMonth + 2) / 5 + 1,
      hour: second / 3600, minute: second / 60 % 60, second: second % 60,
      weekday: (days + 4) % 7)
  }

  /// RFC 3339 in UTC, with `digits` of the second's fraction.
  func rfc3339(fractionDigits digits: Int = 0) -> String {
    let f = fields
    let fraction = digits == 0 ? "" : "." + padded(nanoseconds, 9).prefix(digits)
    return "\(padded(f.year, 4))-\(padded(f.month, 2))-\(padded(f.day, 2))"
      + "T\(padded(f.hour, 2)):\(padded(f.minute, 2)):\(padded(f.second, 2))\(fraction)Z"
  }

  /// The `Date` field of RFC 9110, section 5.6.7.
  var httpDate: String {
    let f = fields
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    return "\(days[f.weekday]), \(padded(f.day, 2)) \(months[f.month - 1]) \(padded(f.year, 4)) "
      + "\(padded(f.hour, 2)):\(padded(f.minute, 2)):\(padded(f.second, 2)) GMT"
  }
}
