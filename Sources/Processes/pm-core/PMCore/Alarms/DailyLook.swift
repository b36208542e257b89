import PMSystem

/// When the vendor's list is to be asked for although no client does: a day after it came, an hour
/// after it was asked for in vain.
struct DailyLook {
  private static let seconds: UInt64 = 86_400
  private static let secondsAfterFailure: UInt64 = 3600

  private var dueAt = Instant(nanoseconds: 0)

  func isDue(at now: Instant) -> Bool { now >= dueAt }

  mutating func noteAsked(at now: Instant) {
    dueAt = now.adding(seconds: Self.secondsAfterFailure)
  }

  mutating func noteAnswered(at now: Instant) { dueAt = now.adding(seconds: Self.seconds) }
}
