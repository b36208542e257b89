/// A point in time of the machine: milliseconds of a clock that never goes back.
public struct Moment: Comparable, Hashable, Sendable {
  public var milliseconds: UInt64
  public init(milliseconds: UInt64) { self.milliseconds = milliseconds }

  public static func < (a: Moment, b: Moment) -> Bool { a.milliseconds < b.milliseconds }
  public func adding(milliseconds: UInt64) -> Moment {
    Moment(milliseconds: self.milliseconds &+ milliseconds)
  }
  public func adding(seconds: UInt64) -> Moment { adding(milliseconds: seconds &* 1000) }
  /// 0 if `other` is later.
  public func millisecondsSince(_ other: Moment) -> UInt64 {
    milliseconds > other.milliseconds ? milliseconds - other.milliseconds : 0
  }
}

/// Numbers for jitter, the same for the same seed, so that a run can be replayed (Steele, Lea,
/// Flood: splittable generators, 2014).
struct SeededRandom: RandomNumberGenerator, Sendable {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
