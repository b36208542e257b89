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
  /// The vendor's own limit was hit.
  private var coolDown = CoolDown()
  private var random = SystemRandomNumberGenerator()

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

  /// It serves a client's request.
  func served() {
    coolDown.end()
    answered()
  }

  /// It answers, be it a question of our own.
  func answered() {
    failures = 0
    note(.up)
  }

  /// Takes note of a fault; what the client is told of it.
  func failed(_ fault: VendorFault, at now: Instant) -> APIError {
    if fault.isKeyRejected { note(.keyRejected) }
    if fault.isFailure { countFailure() }
    guard fault.isThrottled else { return fault.error }
    coolDown.begin(stated: fault.retryAfterSeconds, at: now, using: &random)
    let wait = coolDown.seconds(at: now) ?? 1
    Log.write(.core(.vendorThrottled(isTimeStated: fault.retryAfterSeconds != nil, seconds: wait)))
    return fault.error.retrying(after: wait)
  }

  func countFailure() {
    failures += 1
    if failures >= CoreBounds.vendorFailuresMax { note(.failing) }
  }

  /// Nobody listens on the vendor's port.
  func unreachable() { note(state == .starting ? .starting : .down) }

  /// Whole seconds until the vendor may be asked again; nil if now.
  func throttleSeconds(at now: Instant) -> Int? { coolDown.seconds(at: now) }

  /// Nothing new goes to the vendor before this.
  var throttledUntil: Instant { coolDown.until }
}
