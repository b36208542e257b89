internal import PMCrypto
internal import PMSystem
internal import PMWire

/// Signed-in browsers. A session is bound to the client address, ends `sessionSecondsMax` after
/// sign-in, and is lost with the process.
struct Sessions {
  /// What the cookie carries: a number to find the session by, and the secret that proves it.
  struct Ticket: Equatable {
    static let secretBytes = 32
    private static let numberBytes = 8
    let number: UInt64
    let secret: [UInt8]

    init(number: UInt64, secret: [UInt8]) { (self.number, self.secret) = (number, secret) }

    var text: String {
      let bytes = (0..<8).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
      return Hex.text((bytes + secret).span)
    }

    init?(_ text: String) {
      guard text.utf8.count == 2 * (Self.numberBytes + Self.secretBytes),
        let bytes = Hex.bytes(text)
      else { return nil }
      number = bytes.prefix(Self.numberBytes).reduce(0) { $0 << 8 | UInt64($1) }
      secret = Array(bytes.dropFirst(Self.numberBytes))
    }
  }

  private struct Session {
    let secret: [UInt8]
    let address: InternetAddress
    let end: Instant
    var newKey: NewKey?
  }

  /// A class, so that no copy of the bytes is made and they are overwritten when it goes.
  private final class NewKey {
    let id: KeyID
    let end: Instant
    private(set) var secret: ByteBuffer

    init(id: KeyID, secret text: String, end: Instant) {
      (self.id, self.end) = (id, end)
      secret = ByteBuffer(capacityBytes: text.utf8.count)
      secret.append(text)
    }
    deinit { secret.wipe() }
  }

  private var sessions: [UInt64: Session] = [:]
  private var nextNumber: UInt64 = 1

  init() {}

  /// Starts a session; `secret` holds `Ticket.secretBytes` unpredictable bytes.
  mutating func start(for address: InternetAddress, secret: [UInt8], at now: Instant) -> Ticket {
    sweep(at: now)
    // Numbers grow, so the smallest is the oldest.
    if sessions.count >= AdminLimits.sessionsMax, let oldest = sessions.keys.min() {
      end(number: oldest)
    }
    let ticket = Ticket(number: nextNumber, secret: secret)
    nextNumber += 1
    sessions[ticket.number] = Session(
      secret: secret, address: address.subscriber,
      end: now.adding(seconds: AdminLimits.sessionSecondsMax))
    return ticket
  }

  /// True if the ticket is of a live session of this address.
  func isLive(_ ticket: Ticket, from address: InternetAddress, at now: Instant) -> Bool {
    guard let session = sessions[ticket.number],
      equalInConstantTime(session.secret.span, ticket.secret.span)
    else { return false }
    return session.address == address.subscriber && now < session.end
  }

  mutating func end(number: UInt64) { sessions[number] = nil }

  /// Keeps a key that was just made, for one view by the session that made it.
  mutating func keep(newKey secret: String, id: KeyID, in number: UInt64, at now: Instant) {
    let end = now.adding(seconds: AdminLimits.newKeySecondsMax)
    sessions[number]?.newKey = NewKey(id: id, secret: secret, end: end)
  }

  /// Hands the key out and forgets it; nil if there is none of that id, or its time is over.
  mutating func takeNewKey(_ id: KeyID, in number: UInt64, at now: Instant) -> String? {
    guard let kept = sessions[number]?.newKey, kept.id == id else { return nil }
    sessions[number]?.newKey = nil
    return now < kept.end ? kept.secret.text : nil
  }

  /// Ends what is over, and forgets keys that nobody came to see.
  mutating func sweep(at now: Instant) {
    sessions = sessions.filter { $0.value.end > now }
    for (number, session) in sessions where session.newKey.map({ $0.end <= now }) ?? false {
      sessions[number]?.newKey = nil
    }
  }
}
