import PMSystem

/// How long nothing new goes to a vendor that has had too much: what it says itself, else 2, 4, 8 …
/// seconds, until it serves again.
struct CoolDown {
  private static let secondsFirst: UInt64 = 2

  private var secondsNext = secondsFirst
  private(set) var until = Instant(nanoseconds: 0)

  /// The vendor has refused a request. `stated` are the seconds that it asks for.
  mutating func begin(
    stated: Int?, at now: Instant, using random: inout some RandomNumberGenerator
  ) {
    let longest = secondsNext * 1000
    if let stated {
      until = max(until, now.adding(seconds: UInt64(max(0, stated))))
    } else if until <= now {
      // Up to a quarter less, so that appliances of one key do not come back together.
      until = now.adding(milliseconds: .random(in: longest / 4 * 3...longest, using: &random))
      secondsNext = min(2 * secondsNext, UInt64(CoreBounds.throttleSecondsMax))
    }
    // Else it was under way already: requests that are refused together count as one.
  }

  /// The vendor has served a request; a time that runs is waited for all the same.
  mutating func end() { secondsNext = Self.secondsFirst }

  /// Whole seconds until the vendor may be asked again; nil if now.
  func seconds(at now: Instant) -> Int? {
    guard until > now else { return nil }
    return max(1, Int((until.millisecondsSince(now) + 999) / 1000))
  }
}
