import PMSystem
import PMWire
import Testing

@testable import PMCore

private final class Ticket {
  let key: KeyRecord
  let amounts: VendorAmounts
  var enteredAt: Int64 = 0

  init(_ key: KeyRecord, _ amounts: VendorAmounts) { (self.key, self.amounts) = (key, amounts) }
}

private func amounts(_ set: (inout VendorAmounts) -> Void = { _ in }) -> VendorAmounts {
  var amounts = VendorAmounts()
  amounts[.requests] = 1
  set(&amounts)
  return amounts
}

private let second: Int64 = 1_000_000_000

/// A share of 20 requests a minute that a test turns.
private final class Turns {
  var share: VendorShare<Ticket>
  var now: Int64 = 0

  init(requests: Int64 = 20, _ set: (inout VendorAmounts) -> Void = { _ in }) {
    var limits = VendorAmounts()
    limits[.requests] = requests
    set(&limits)
    share = VendorShare(limits: limits)
  }

  func enter(
    _ key: KeyRecord, _ amounts: VendorAmounts = amounts()
  ) -> (VendorShare<Ticket>.Entry, Ticket) {
    let ticket = Ticket(key, amounts)
    return (share.enter(ticket, of: key, amounts, at: now).entry, ticket)
  }

  /// Goes to the next moment at which something happens; what was served, and given up.
  func wake() -> (served: [Ticket], expired: [Ticket]) {
    guard let moment = share.wake(at: now) else { return ([], []) }
    now = max(now, moment)
    var (served, expired): ([Ticket], [Ticket]) = ([], [])
    while true {
      while let ticket = share.serveNext(at: now) { served.append(ticket) }
      guard let gone = share.expireNext(at: now) else { return (served, expired) }
      expired.append(gone.ticket)
    }
  }
}

struct VendorShareTests {
  @Test("A minute's worth at once, then one each three seconds, and the wait of who comes too late")
  func bucket() {
    let turns = Turns()
    let key = limitedKey()
    for _ in 0..<20 { #expect(turns.enter(key).0 == .served) }
    for _ in 0..<3 { #expect(turns.enter(key).0 == .waits) }
    // The fourth would be served after twelve seconds, the deadline is at ten.
    #expect(turns.enter(key).0 == .refused(12 * second))
    for place in 1...3 {
      #expect(turns.wake().served.count == 1)
      #expect(turns.now == Int64(place) * 3 * second)
    }
    #expect(turns.share.wake(at: turns.now) == nil && turns.share.waitingCount == 0)
  }

  @Test("An over-eager key never starves another: its first request is next, whoever waits longer")
  func fairness() {
    let turns = Turns(requests: 600)
    let (greedy, modest) = (limitedKey(row: 1), limitedKey(row: 2))
    for _ in 0..<600 { #expect(turns.enter(greedy).0 == .served) }
    let waiting = (0..<100).filter { _ in turns.enter(greedy).0 == .waits }
    #expect(waiting.count == 100)
    let (entry, ticket) = turns.enter(modest)
    #expect(entry == .waits)
    #expect(turns.wake().served.first === ticket)
    #expect(turns.now == second / 10)
  }

  @Test("Whose turn came and brought no room is behind all others afterwards")
  func hopeless() {
    let turns = Turns(requests: 0) { $0[.promptTokens] = 60_000 }
    let whole = amounts { $0[.promptTokens] = 60_000 }
    let (busy, greedy, modest) = (limitedKey(row: 1), limitedKey(row: 2), limitedKey(row: 3))
    #expect(turns.enter(busy, whole).0 == .served)
    let (_, first) = turns.enter(greedy, whole)
    turns.now = second
    #expect(turns.enter(greedy, whole).0 == .waits)
    let (entry, ticket) = turns.enter(modest, amounts { $0[.promptTokens] = 1000 })
    #expect(entry == .waits)
    let (served, expired) = turns.wake()
    #expect(turns.now == 10 * second)
    #expect(expired.count == 1 && expired.first === first)
    #expect(served.count == 1 && served.first === ticket)
  }

  @Test("Keys that all want more than there is get the same, one in turn", arguments: 2...6)
  func turns(keyCount: Int) {
    let turns = Turns(requests: 60)
    let keys = (0..<keyCount).map { limitedKey(row: Int64($0)) }
    for _ in 0..<60 { _ = turns.enter(keys[0]) }
    var served = [Int](repeating: 0, count: keyCount)
    for _ in 0..<600 {
      // The first key asks ten times as often.
      for _ in 0..<10 { _ = turns.enter(keys[0]) }
      for key in keys.dropFirst() { _ = turns.enter(key) }
      for ticket in turns.wake().served { served[Int(ticket.key.row)] += 1 }
    }
    let (least, most) = (served.min() ?? 0, served.max() ?? 0)
    #expect(least > 0 && most - least <= 2, "\(served)")
  }

  @Test("The queue is bounded, and a full one makes room for who has less in it")
  func bound() {
    let turns = Turns(requests: 60_000)
    let (greedy, modest) = (limitedKey(row: 1), limitedKey(row: 2))
    for _ in 0..<60_000 { _ = turns.enter(greedy) }
    for _ in 0..<ShareBounds.waitersMax { #expect(turns.enter(greedy).0 == .waits) }
    #expect(turns.enter(greedy).0 == .refused(257 * second / 1000))
    let ticket = Ticket(modest, amounts())
    let (entry, displaced) = turns.share.enter(ticket, of: modest, amounts(), at: 0)
    #expect(entry == .waits && displaced?.ticket.key === greedy)
    #expect(turns.share.waitingCount == ShareBounds.waitersMax)
    #expect(turns.share.serveNext(at: second / 1000) === ticket)
  }

  @Test("Who leaves frees its place, and nobody waits longer than the deadline")
  func leaving() {
    let turns = Turns()
    let key = limitedKey()
    for _ in 0..<20 { _ = turns.enter(key) }
    let first = turns.enter(key).1
    let next = turns.enter(key).1
    turns.share.leave(first)
    #expect(turns.wake().served.first === next && turns.now == 3 * second)
    _ = turns.enter(key)
    // The vendor turns everybody away meanwhile.
    turns.share.pause(until: turns.now + 30 * second)
    let (served, expired) = turns.wake()
    #expect(served.isEmpty && expired.count == 1 && turns.now == 13 * second)
    #expect(turns.enter(key).0 == .refused(20 * second))
  }

  @Test("The truth gives back what was expected too much; a surplus is a debt")
  func settlement() {
    let turns = Turns(requests: 0) { $0[.completionTokens] = 6000 }
    let key = limitedKey()
    func tokens(_ count: Int64) -> VendorAmounts { amounts { $0[.completionTokens] = count } }
    #expect(turns.enter(key, tokens(6000)).0 == .served)
    // The one under way may give everything back, and does.
    let (entry, ticket) = turns.enter(key, tokens(5000))
    #expect(entry == .waits)
    turns.share.settle(tokens(6000), to: tokens(1000), at: 0)
    #expect(turns.wake().served.first === ticket && turns.now == 0)
    turns.share.settle(tokens(5000), to: tokens(11_000), at: 0)
    #expect(turns.enter(key, tokens(1)).0 == .refused(60_010_000_000))
    // Audio is another bucket, and there is no limit on it.
    #expect(turns.enter(key, amounts { $0[.audioSeconds] = 3600 }).0 == .served)
    // No claim is a debt of more than an hour.
    turns.share.take(tokens(.max), at: 0)
    turns.now = 3600 * second
    #expect(turns.enter(key, tokens(6000)).0 == .served)
  }

  @Test("A lone request that is larger than a bucket passes when that is full")
  func large() {
    let turns = Turns { $0[.promptTokens] = 1000 }
    let key = limitedKey()
    let large = amounts { $0[.promptTokens] = 50_000 }
    #expect(turns.enter(key, large).0 == .served)
    turns.share.settle(large, to: amounts { $0[.promptTokens] = 1000 }, at: 0)
    #expect(turns.enter(key, large).0 == .refused(60 * second))
    turns.now = 60 * second
    #expect(turns.enter(key, large).0 == .served)
  }

  @Test("A limit that was off remembers nothing")
  func off() {
    let turns = Turns()
    let key = limitedKey()
    for _ in 0..<20 { _ = turns.enter(key) }
    let limits = turns.share.limits
    turns.share.limits = VendorAmounts()
    #expect(turns.enter(key).0 == .served)
    turns.share.limits = limits
    #expect(turns.enter(key).0 == .served)
  }

  @Test("Random arrivals and leavings: bounds hold and nobody is forgotten", arguments: 0..<300)
  func property(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let limit = Int64.random(in: 1...300, using: &random)
    let turns = Turns(requests: limit)
    let keys = (0..<Int.random(in: 1...5, using: &random)).map { limitedKey(row: Int64($0)) }
    var waiting: [Ticket] = []
    var servings: [Int64] = []
    for _ in 0..<400 {
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<6:
        let key = keys[min(keys.count - 1, Int.random(in: 0..<9, using: &random) / 2)]
        let (entry, ticket) = turns.enter(key)
        ticket.enteredAt = turns.now
        if entry == .served { servings.append(turns.now) }
        if entry == .waits { waiting.append(ticket) }
      case 6:
        guard let index = waiting.indices.randomElement(using: &random) else { continue }
        turns.share.leave(waiting.remove(at: index))
      case 7:
        // The alarm of the next moment at which something happens is never missed.
        let later = turns.now + .random(in: 0...2 * second, using: &random)
        turns.now = min(later, turns.share.wake(at: turns.now) ?? later)
      default:
        let (served, expired) = turns.wake()
        for ticket in served {
          #expect(turns.now - ticket.enteredAt <= 10 * second)
          servings.append(turns.now)
        }
        for ticket in expired { #expect(turns.now - ticket.enteredAt >= 10 * second) }
        waiting.removeAll { ticket in (served + expired).contains { $0 === ticket } }
      }
      #expect(turns.share.waitingCount == waiting.count)
      #expect(waiting.count <= ShareBounds.waitersMax)
    }
    // In any stretch no more than a bucket and what has flowed into it meanwhile.
    let isExceeded = servings.indices.contains { first in
      servings.indices[first...].contains { last in
        let flowed = (servings[last] - servings[first]) * limit / (60 * second)
        return Int64(last - first + 1) > limit + flowed + 1
      }
    }
    #expect(!isExceeded)
    for _ in 0..<2 * waiting.count + 2 { _ = turns.wake() }
    #expect(turns.share.waitingCount == 0)
  }
}
