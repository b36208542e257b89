internal import Glibc

/// A point of the monotonic clock, in nanoseconds. It never goes back and means nothing outside
/// this boot.
public struct Instant: Comparable, Hashable, Sendable {
  public var nanoseconds: UInt64
  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  public static func now() -> Instant {
    Instant(nanoseconds: clockNanoseconds(CLOCK_MONOTONIC))
  }
  /// Later than every other instant.
  public static let never = Instant(nanoseconds: .max)

  public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
  public func adding(milliseconds: UInt64) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(milliseconds &* 1_000_000)
    return overflow ? .never : Instant(nanoseconds: sum)
  }
  public func adding(seconds: UInt64) -> Instant { adding(milliseconds: seconds &* 1000) }
  /// 0 if `other` is later.
  public func millisecondsSince(_ other: Instant) -> UInt64 {
    nanoseconds > other.nanoseconds ? (nanoseconds - other.nanoseconds) / 1_000_000 : 0
  }
  /// 0 if `other` is later.
  public func microsecondsSince(_ other: Instant) -> UInt64 {
    nanoseconds > other.nanoseconds ? (nanoseconds - other.nanoseconds) / 1000 : 0
  }
}

/// A point of the wall clock: microseconds since 1970-01-01 00:00 UTC.
public struct WallTime: Comparable, Hashable, Sendable {
  public var microseconds: Int64
  public init(microseconds: Int64) { self.microseconds = microseconds }
  public init(seconds: Int64) { microseconds = seconds &* 1_000_000 }

  public static func now() -> WallTime {
    WallTime(microseconds: Int64(clockNanoseconds(CLOCK_REALTIME) / 1000))
  }
  public static func < (a: WallTime, b: WallTime) -> Bool { a.microseconds < b.microseconds }
  /// Whole seconds since 1970, rounded down.
  public var seconds: Int64 { microseconds.floorDivided(by: 1_000_000) }
}

private func clockNanoseconds(_ clock: clockid_t) -> UInt64 {
  var time = timespec()
  // Both clocks always exist; the call cannot fail with a valid pointer.
  unsafe clock_gettime(clock, &time)
  return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
}

extension Int64 {
  /// Division that rounds towards minus infinity. The divisor must be positive.
  public func floorDivided(by divisor: Int64) -> Int64 {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
