import PMCrypto
import PMSystem
import Testing
import PMWire

@testable import PMAdmin

private let start = Instant(nanoseconds: 5_000_000_000)
private func address(_ text: String) throws -> InternetAddress {
  try #require(InternetAddress(text))
}

@Suite struct FormTokenTests {
  private func tokens() throws -> FormTokens {
    FormTokens(start: start, hash: try KeyedHash(key: [UInt8](repeating: 7, count: 32).span))
  }
  private func random(_ seed: Int) -> [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: seed >> (($0 % 4) * 8)) }
  }

  @Test func aTokenIsGoodOnce() throws {
    var tokens = try tokens()
    let token = tokens.issue(for: "a", random: random(1), at: start)
    #expect(token.utf8.count == FormTokens.textBytes)
    let results = (0..<2).map { _ in tokens.spend(token, for: "a", at: start) }
    #expect(results == [true, false])
  }

  @Test func aTokenIsBoundToItsSession() throws {
    var tokens = try tokens()
    let token = tokens.issue(for: "a", random: random(1), at: start)
    let foreign = tokens.spend(token, for: "b", at: start)
    let own = tokens.spend(token, for: "a", at: start)
    #expect(!foreign && own)
  }

  @Test func aTokenOfAnotherProcessIsRefused() throws {
    let token = try tokens().issue(for: "a", random: random(1), at: start)
    var other = FormTokens(
      start: start, hash: try KeyedHash(key: [UInt8](repeating: 8, count: 32).span))
    let spent = other.spend(token, for: "a", at: start)
    #expect(!spent)
  }

  @Test(arguments: [(3599, true), (3600, false)] as [(UInt64, Bool)])
  func aTokenLivesAnHour(_ seconds: UInt64, _ isGood: Bool) throws {
    var tokens = try tokens()
    let token = tokens.issue(for: "a", random: random(1), at: start)
    let spent = tokens.spend(token, for: "a", at: start.adding(seconds: seconds))
    #expect(spent == isGood)
  }

  @Test(arguments: ["", "x", String(repeating: "0", count: 64), String(repeating: "f", count: 64)])
  func anInventedTokenIsRefused(_ text: String) throws {
    var tokens = try tokens()
    let spent = tokens.spend(text, for: "a", at: start)
    #expect(!spent)
  }

  @Test func spentTokensStaySpentWhenTheirTableOverflows() throws {
    var tokens = try tokens()
    let first = tokens.issue(for: "a", random: random(0), at: start)
    _ = tokens.spend(first, for: "a", at: start)
    let later = start.adding(seconds: 1)
    for number in 1...AdminLimits.spentTokensMax {
      let token = tokens.issue(for: "a", random: random(number), at: later)
      let isSpent = tokens.spend(token, for: "a", at: later)
      #expect(isSpent)
    }
    let again = tokens.spend(first, for: "a", at: later)
    #expect(!again)
    let fresh = tokens.issue(for: "a", random: random(-1), at: later)
    let isFreshGood = tokens.spend(fresh, for: "a", at: later)
    #expect(isFreshGood)
  }
}

@Suite struct SignInThrottleTests {
  @Test func theSixthAttemptIsLockedOut() throws {
    var throttle = SignInThrottle()
    let client = try address("192.0.2.1")
    for second in 0..<5 {
      let admission = throttle.begin(client, at: start.adding(seconds: UInt64(second)))
      #expect(admission == .admitted)
    }
    let sixth = throttle.begin(client, at: start.adding(seconds: 5))
    #expect(sixth == .locked(retryAfterSeconds: 295))
    let other = throttle.begin(try address("192.0.2.2"), at: start.adding(seconds: 5))
    #expect(other == .admitted)
    let last = throttle.begin(client, at: start.adding(milliseconds: 299_999))
    #expect(last == .locked(retryAfterSeconds: 1))
    let after = throttle.begin(client, at: start.adding(seconds: 300))
    #expect(after == .admitted)
  }

  @Test func aRightPasswordCountsNothing() throws {
    var throttle = SignInThrottle()
    let client = try address("192.0.2.1")
    for second in 0..<20 {
      let now = start.adding(seconds: UInt64(second))
      let admission = throttle.begin(client, at: now)
      throttle.withdraw(client, begunAt: now)
      #expect(admission == .admitted)
    }
  }

  @Test func anIPv6NetworkCountsAsOne() throws {
    var throttle = SignInThrottle()
    for host in 1...5 { _ = throttle.begin(try address("2001:db8::\(host)"), at: start) }
    let sixth = throttle.begin(try address("2001:db8::ffff"), at: start)
    #expect(sixth == .locked(retryAfterSeconds: 300))
    let neighbour = throttle.begin(try address("2001:db8:0:1::1"), at: start)
    #expect(neighbour == .admitted)
  }

  @Test func aFullTableShutsNobodyOutAndKeepsTheBusiest() throws {
    var throttle = SignInThrottle()
    let client = try address("192.0.2.1")
    for number in 0..<UInt64(AdminLimits.signInAddressesMax) {
      _ = throttle.begin(InternetAddress(high: 1 + number, low: 0), at: start)
    }
    let later = start.adding(seconds: 1)
    for _ in 0..<5 { _ = throttle.begin(client, at: later) }
    let newcomer = throttle.begin(InternetAddress(high: 1 << 40, low: 0), at: later)
    #expect(newcomer == .admitted)
    let locked = throttle.begin(client, at: later)
    #expect(locked == .locked(retryAfterSeconds: 300))
  }
}

@Suite struct SessionTests {
  private let secret = (0..<32).map { UInt8($0) }

  @Test func aTicketIsReadAsItWasWritten() throws {
    let ticket = Sessions.Ticket(number: 77, secret: secret)
    #expect(Sessions.Ticket(ticket.text) == ticket)
    #expect(Sessions.Ticket("") == nil)
    #expect(Sessions.Ticket(ticket.text + "0") == nil)
  }

  @Test func aSessionBelongsToItsAddressAndSecret() throws {
    var sessions = Sessions()
    let client = try address("192.0.2.1")
    let ticket = sessions.start(for: client, secret: secret, at: start)
    #expect(sessions.isLive(ticket, from: client, at: start))
    #expect(!sessions.isLive(ticket, from: try address("192.0.2.2"), at: start))
    let forged = Sessions.Ticket(number: ticket.number, secret: secret.reversed())
    #expect(!sessions.isLive(forged, from: client, at: start))
  }

  @Test func aSessionEndsAfterADay() throws {
    var sessions = Sessions()
    let client = try address("2001:db8::1")
    let ticket = sessions.start(for: client, secret: secret, at: start)
    let neighbour = try address("2001:db8::2")
    #expect(sessions.isLive(ticket, from: neighbour, at: start.adding(seconds: 86_399)))
    #expect(!sessions.isLive(ticket, from: client, at: start.adding(seconds: 86_400)))
  }

  @Test func theOldestLeavesWhenThereAreTooMany() throws {
    var sessions = Sessions()
    let client = try address("192.0.2.1")
    let tickets = (0...AdminLimits.sessionsMax).map { _ in
      sessions.start(for: client, secret: secret, at: start)
    }
    let alive = tickets.map { sessions.isLive($0, from: client, at: start) }
    #expect(alive == [false] + [Bool](repeating: true, count: AdminLimits.sessionsMax))
  }

  @Test(arguments: [(59, "pm_x"), (60, nil)] as [(UInt64, String?)])
  func aNewKeyIsSeenOnceWithinItsMinute(_ seconds: UInt64, _ seen: String?) throws {
    var sessions = Sessions()
    let client = try address("192.0.2.1")
    let (mine, other) = (
      sessions.start(for: client, secret: secret, at: start),
      sessions.start(for: client, secret: secret, at: start)
    )
    let id = try #require(KeyID("key_1"))
    sessions.keep(newKey: "pm_x", id: id, in: mine.number, at: start)
    let then = start.adding(seconds: seconds)
    let foreign = sessions.takeNewKey(id, in: other.number, at: then)
    let first = sessions.takeNewKey(id, in: mine.number, at: then)
    let second = sessions.takeNewKey(id, in: mine.number, at: then)
    #expect(foreign == nil && first == seen && second == nil)
  }
}
