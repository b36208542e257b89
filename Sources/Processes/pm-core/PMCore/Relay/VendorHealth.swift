import PMLog
import PMSystem
import PMWire

/// What core knows of the vendor's process from the traffic.
final class VendorHealth {
  enum State: String, CaseIterable, Sendable {
    case starting, up, failing, down
    case keyRejected = "key-rejected"
  }

  private(set) var state = State.starting
  /// Ordered by the supervisor: nothing new until it is back.
  var isDraining = false
  private var failures = 0
  private var askedAt = Instant(nanoseconds: 0)
  /// The vendor's own limit was hit: nothing new before this.
  private(set) var throttledUntil = Instant(nanoseconds: 0)

  /// The word for the supervisor.
  var word: String { isDraining ? "draining" : state.rawValue }

  func note(_ state: State) {
    guard state != self.state else { return }
    self.state = state
    Log.write(.core(.vendorState(Self.word(state))))
  }

  private static func word(_ state: State) -> StaticWord {
    switch state {
    case .starting: "starting"
    case .up: "up"
    case .failing: "failing"
    case .down: "down"
    case .keyRejected: "key-rejected"
    }
  }

  /// Whether core itself should ask: not while the vendor works, rarely while it answers badly.
  func mayBeAsked(at now: Instant) -> Bool {
    switch state {
    case .up: return false
    case .starting, .down: return true
    case .failing, .keyRejected:
      guard now >= askedAt.adding(seconds: CoreBounds.vendorAskSeconds) else { return false }
      askedAt = now
      return true
    }
  }

  func succeeded() {
    failures = 0
    note(.up)
  }

  func failed(_ fault: VendorFault, at now: Instant) {
    if fault.isKeyRejected { return note(.keyRejected) }
    if fault.isThrottled {
      let seconds = min(fault.error.retryAfterSeconds ?? 2, CoreBounds.throttleSecondsMax)
      throttledUntil = now.adding(seconds: UInt64(seconds))
    }
    if fault.isFailure { countFailure() }
  }

  func countFailure() {
    failures += 1
    if failures >= CoreBounds.vendorFailuresMax { note(.failing) }
  }

  /// Nobody listens on the vendor's port.
  func unreachable() { note(state == .starting ? .starting : .down) }

  /// Whole seconds until the vendor may be asked again; nil if now.
  func throttleSeconds(at now: Instant) -> Int? {
    guard throttledUntil > now else { return nil }
    return max(1, Int((throttledUntil.millisecondsSince(now) + 999) / 1000))
  }
}
