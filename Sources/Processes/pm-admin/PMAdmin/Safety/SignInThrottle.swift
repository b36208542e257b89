internal import PMSystem

/// Counts wrong passwords for each client address. An attempt is counted before the password is
/// looked at and taken back if it was right, so that parallel attempts cannot slip through.
struct SignInThrottle {
  enum Admission: Equatable {
    case admitted
    case locked(retryAfterSeconds: UInt64)
  }

  private static let windowSeconds = AdminLimits.signInWindowSeconds
  /// When each attempt within the window began, oldest first.
  private var attempts: [InternetAddress: [Instant]] = [:]

  /// Counts an attempt, unless the address is locked out.
  mutating func begin(_ address: InternetAddress, at now: Instant) -> Admission {
    let address = address.subscriber
    var recent = attempts[address, default: []]
    recent.removeAll { Self.isPast($0, at: now) }
    if recent.count >= AdminLimits.wrongPasswordsMax, let oldest = recent.first {
      let left = Self.windowSeconds * 1000 - now.millisecondsSince(oldest)
      return .locked(retryAfterSeconds: max(1, (left + 999) / 1000))
    }
    if recent.isEmpty { makeRoom(at: now) }
    attempts[address] = recent + [now]
    return .admitted
  }

  /// Takes back an attempt that began at `start`: it was right, or was not evaluated.
  mutating func withdraw(_ address: InternetAddress, begunAt start: Instant) {
    let address = address.subscriber
    guard var recent = attempts[address], let index = recent.firstIndex(of: start) else { return }
    recent.remove(at: index)
    attempts[address] = recent.isEmpty ? nil : recent
  }

  private static func isPast(_ attempt: Instant, at now: Instant) -> Bool {
    now.millisecondsSince(attempt) >= windowSeconds * 1000
  }

  /// When the table is full, the address that was quiet longest is forgotten: forgetting helps it
  /// least, and nobody new is shut out.
  private mutating func makeRoom(at now: Instant) {
    guard attempts.count >= AdminLimits.signInAddressesMax else { return }
    attempts = attempts.filter { entry in entry.value.contains { !Self.isPast($0, at: now) } }
    guard attempts.count >= AdminLimits.signInAddressesMax,
      let quietest = attempts.min(by: { $0.value.last ?? now < $1.value.last ?? now })
    else { return }
    attempts[quietest.key] = nil
  }
}
