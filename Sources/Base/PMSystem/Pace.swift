/// How often something may happen: `perSecond` times for good, and what a few seconds would give at
/// once (the generic cell rate algorithm, ITU-T I.371).
public struct Pace: Sendable {
  private let nanosecondsEach: UInt64
  /// How many seconds' worth may come at once.
  private let burstSeconds: UInt64

  public init(perSecond: Int, burstSeconds: UInt64) {
    nanosecondsEach = 1_000_000_000 / UInt64(max(1, perSecond))
    self.burstSeconds = burstSeconds
  }

  /// How far somebody is ahead of the pace: a single number, however much was admitted.
  public struct Account: Sendable {
    private var paidUntil = Instant(nanoseconds: 0)

    public init() {}

    /// Counts one more, unless that is too many at once.
    public mutating func admits(_ pace: Pace, at now: Instant) -> Bool {
      let start = max(paidUntil, now)
      let burst = now.adding(seconds: pace.burstSeconds)
      let end = Instant(nanoseconds: start.nanoseconds &+ pace.nanosecondsEach)
      guard end <= burst else { return false }
      paidUntil = end
      return true
    }

    /// True if nothing admitted counts any more.
    public func isIdle(at now: Instant) -> Bool { paidUntil <= now }
  }
}
