public import PMSystem
import Synchronization

/// Time that only pauses move.
public final class EmulatedClock: Sendable {
  private let time = Mutex(Instant(nanoseconds: 1_000_000_000_000))

  public init() {}
  public var now: Instant { time.withLock { $0 } }
  public func pause(milliseconds: UInt64) {
    time.withLock { $0 = $0.adding(milliseconds: milliseconds) }
  }
}
