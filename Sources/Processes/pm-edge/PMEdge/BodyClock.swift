internal import PMSystem

/// When the body of a request is late: a while after its last byte, and as a whole when it comes
/// slower than the slowest link that is served. Time in which we hold the client back is not its.
struct BodyClock {
  private var due: Instant
  private var heldSince: Instant?

  init(at now: Instant) { due = now.adding(seconds: EdgeBounds.bodySecondsMax) }

  /// Bytes have come, which buys time for more.
  mutating func take(_ bytes: Int) {
    due = due.adding(milliseconds: UInt64(bytes) * 1000 / EdgeBounds.bodyBytesPerSecondMin)
  }

  /// The client is not read from now on.
  mutating func hold(at now: Instant) {
    if heldSince == nil { heldSince = now }
  }

  /// The client is read again.
  mutating func goOn(at now: Instant) {
    guard let since = heldSince else { return }
    due = due.adding(milliseconds: now.millisecondsSince(since))
    heldSince = nil
  }

  /// When the client must have sent more, as of now.
  func deadline(at now: Instant) -> Instant {
    heldSince == nil ? min(due, now.adding(seconds: EdgeBounds.bodyStallSecondsMax)) : .never
  }
}
