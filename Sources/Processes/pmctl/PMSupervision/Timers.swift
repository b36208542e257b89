import PMWire

/// What the machine waits for. Each kind exists at most once per service, or per generation.
enum Timer: Hashable, Sendable {
  case startDeadline(Service), watchdog(Service), probe(Service), grace(Service)
  case retry(Service), steady(Service), turn(Service)
  case drain(Service, Int), kill(Service, Int)
  case order(Order.ID)
  case gateRetry, gateRecheck, appraisal, path, shutdown, bindRetry
  case vendorDrain, vendorStall, vendorQuiet, vendorRefresh
}

/// The armed timers: few, so a list does.
struct Timers: Sendable {
  private var armed: [(timer: Timer, at: Moment)] = []

  var earliest: Moment? { armed.lazy.map(\.at).min() }
  var count: Int { armed.count }

  /// Arms a timer, or moves it.
  mutating func set(_ timer: Timer, _ at: Moment) {
    cancel(timer)
    armed.append((timer, at))
  }

  mutating func cancel(_ timer: Timer) { armed.removeAll { $0.timer == timer } }

  func isArmed(_ timer: Timer) -> Bool { armed.contains { $0.timer == timer } }

  /// Takes the earliest timer if it is due.
  mutating func takeDue(_ now: Moment) -> Timer? {
    var first: Int?
    for (i, entry) in armed.enumerated() where entry.at <= now {
      if let best = first, armed[best].at <= entry.at { continue }
      first = i
    }
    return first.map { armed.remove(at: $0).timer }
  }
}
