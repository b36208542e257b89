import PMSystem
import PMWire

/// The vendor's limits, which all keys share. Each is a bucket that holds a minute's worth and
/// fills at an even rate. Who finds no room waits: keys take turns, the one served longest ago
/// first, and within a key the first to come. It is a state machine: times come in, tickets come
/// out.
struct VendorShare<Ticket: AnyObject> {
  enum Entry: Equatable {
    case served, waits
    /// So many nanoseconds from now there would have been room.
    case refused(Int64)
  }

  private struct Waiter {
    let ticket: Ticket
    let key: KeyRecord
    let amounts: VendorAmounts
    let deadline: Int64
    /// How many had been served when it came.
    let servings: UInt64
    /// How many of its own key come before it.
    var rank: Int
  }

  /// What may be used in a minute; 0 is no limit, and is not remembered.
  var limits: VendorAmounts {
    didSet {
      for measure in VendorLimit.allCases where limits[measure] == 0 {
        fullAt[measure.rawValue] = .min
      }
    }
  }
  /// When each bucket would be full again: a bucket as one number.
  private var fullAt = InlineArray<5, Int64>(repeating: .min)
  /// What those under way are expected to use.
  private var open = VendorAmounts()
  /// In the order of arrival, and so of deadlines.
  private var waiters: [Waiter] = []
  /// The vendor takes nothing before this.
  private var pausedUntil = Int64.min
  private var servings: UInt64 = 0

  init(limits: VendorAmounts) { self.limits = limits }

  var waitingCount: Int { waiters.count }

  // MARK: Buckets

  /// The part of a bucket that an amount is, as the time it takes to fill.
  private func time(_ amount: Int64, of measure: VendorLimit) -> Int64 {
    let limit = limits[measure]
    guard limit > 0, amount > 0 else { return 0 }
    return Int64(clamping: Int128(amount) * Int128(ShareBounds.bucketNanoseconds) / Int128(limit))
  }

  /// Nanoseconds until everything ahead and then this has room; 0 if now.
  private func wait(
    _ amounts: VendorAmounts, behind ahead: InlineArray<5, Int64>, at now: Int64
  ) -> Int64 {
    var wait = max(pausedUntil, now) - now
    for measure in VendorLimit.allCases where limits[measure] > 0 {
      let own = time(amounts[measure], of: measure)
      if own == 0 { continue }
      let full = max(fullAt[measure.rawValue], now) + ahead[measure.rawValue] + own
      wait = max(wait, full - ShareBounds.bucketNanoseconds - now)
    }
    return wait
  }

  /// The same if everybody under way and ahead used nothing of what they are expected to: only
  /// their number does not come back.
  private func leastWait(
    _ amounts: VendorAmounts, behind ahead: InlineArray<5, Int64>, at now: Int64
  ) -> Int64 {
    var best = self
    for measure in VendorLimit.allCases where measure != .requests {
      let back = min(time(open[measure], of: measure), ShareBounds.debtNanosecondsMax)
      best.fullAt[measure.rawValue] = max(fullAt[measure.rawValue], now) - back
    }
    var certain = InlineArray<5, Int64>(repeating: 0)
    certain[VendorLimit.requests.rawValue] = ahead[VendorLimit.requests.rawValue]
    return best.wait(amounts, behind: certain, at: now)
  }

  private func hasRoom(for amounts: VendorAmounts, at now: Int64) -> Bool {
    wait(amounts, behind: InlineArray(repeating: 0), at: now) == 0
  }

  /// A lone request that is larger than a bucket counts as the whole of it.
  private func clamped(_ amounts: VendorAmounts) -> VendorAmounts {
    var clamped = amounts
    for measure in VendorLimit.allCases where limits[measure] > 0 {
      clamped[measure] = min(amounts[measure], limits[measure])
    }
    return clamped
  }

  /// Takes amounts whether there is room or not, for what is known too late.
  mutating func take(_ amounts: VendorAmounts, at now: Int64) {
    for measure in VendorLimit.allCases {
      let time = time(amounts[measure], of: measure)
      if time == 0 { continue }
      let full = max(fullAt[measure.rawValue], now).addingReportingOverflow(time)
      let latest = now + ShareBounds.debtNanosecondsMax
      fullAt[measure.rawValue] = full.overflow ? latest : min(full.partialValue, latest)
    }
  }

  /// Puts the truth in place of what a request took when it was served.
  mutating func settle(_ expected: VendorAmounts, to actual: VendorAmounts, at now: Int64) {
    open.subtract(expected)
    let taken = clamped(expected)
    var surplus = VendorAmounts()
    for measure in VendorLimit.allCases {
      let excess = actual[measure] - taken[measure]
      if excess > 0 { surplus[measure] = excess }
      if excess < 0, fullAt[measure.rawValue] > now {
        fullAt[measure.rawValue] -= time(-excess, of: measure)
      }
    }
    take(surplus, at: now)
  }

  /// The vendor has said that it takes nothing for a while.
  mutating func pause(until moment: Int64) { pausedUntil = max(pausedUntil, moment) }

  // MARK: Turns

  /// A request asks for its share. It is served, or waits, or could not be served in time; if the
  /// queue is full, the one that is furthest back of all gives way to it.
  mutating func enter(
    _ ticket: Ticket, of key: KeyRecord, _ expected: VendorAmounts, at now: Int64
  ) -> (entry: Entry, displaced: (ticket: Ticket, wait: Int64)?) {
    if waiters.isEmpty, hasRoom(for: clamped(expected), at: now) {
      serve(key, expected, at: now)
      return (.served, nil)
    }
    let amounts = clamped(expected)
    let rank = waiters.count { $0.key === key }
    let ahead = times(before: rank, of: key)
    let wait = wait(amounts, behind: ahead, at: now)
    guard leastWait(amounts, behind: ahead, at: now) <= ShareBounds.waitNanosecondsMax else {
      return (.refused(wait), nil)
    }
    var displaced: (Ticket, Int64)?
    if waiters.count == ShareBounds.waitersMax {
      guard let last = furthestBack, waiters[last].rank > rank else { return (.refused(wait), nil) }
      displaced = giveUp(last, at: now)
    }
    let deadline = now + ShareBounds.waitNanosecondsMax
    waiters.append(
      Waiter(
        ticket: ticket, key: key, amounts: expected, deadline: deadline, servings: servings,
        rank: rank))
    return (.waits, displaced)
  }

  /// What is served before a request of this key and rank, as bucket times.
  private func times(before rank: Int, of key: KeyRecord) -> InlineArray<5, Int64> {
    var sum = InlineArray<5, Int64>(repeating: 0)
    for waiter in waiters
    where (waiter.rank, waiter.key.lastServing) <= (rank, key.lastServing) {
      for measure in VendorLimit.allCases {
        sum[measure.rawValue] += time(clamped(waiter.amounts)[measure], of: measure)
      }
    }
    return sum
  }

  private var furthestBack: Int? {
    waiters.indices.max { waiters[$0].rank < waiters[$1].rank }
  }

  /// Whose turn it is. Nobody passes, so that what needs much room gets it as well.
  private var next: Int? {
    waiters.indices.min {
      (waiters[$0].rank, waiters[$0].key.lastServing)
        < (waiters[$1].rank, waiters[$1].key.lastServing)
    }
  }

  private mutating func serve(_ key: KeyRecord, _ expected: VendorAmounts, at now: Int64) {
    take(clamped(expected), at: now)
    open.add(expected)
    endTurn(of: key)
  }

  private mutating func endTurn(of key: KeyRecord) {
    servings += 1
    key.lastServing = servings
  }

  private mutating func remove(at index: Int) -> Ticket {
    let gone = waiters.remove(at: index)
    for later in waiters.indices[index...] where waiters[later].key === gone.key {
      waiters[later].rank -= 1
    }
    return gone.ticket
  }

  /// Serves one that waits; nil if nobody waits, or there is no room yet.
  mutating func serveNext(at now: Int64) -> Ticket? {
    guard let next, hasRoom(for: clamped(waiters[next].amounts), at: now) else { return nil }
    serve(waiters[next].key, waiters[next].amounts, at: now)
    return remove(at: next)
  }

  /// Gives up one that has waited too long, with the nanoseconds until it could be served.
  mutating func expireNext(at now: Int64) -> (ticket: Ticket, wait: Int64)? {
    guard let first = waiters.first, first.deadline <= now else { return nil }
    // It had its turn, and kept all others waiting for as long as it was there.
    if next == 0, first.servings == servings { endTurn(of: first.key) }
    return giveUp(0, at: now)
  }

  private mutating func giveUp(_ index: Int, at now: Int64) -> (ticket: Ticket, wait: Int64) {
    let gone = waiters[index]
    _ = remove(at: index)
    let ahead = times(before: waiters.count { $0.key === gone.key }, of: gone.key)
    return (gone.ticket, wait(clamped(gone.amounts), behind: ahead, at: now))
  }

  /// Who leaves does not wait any more.
  mutating func leave(_ ticket: Ticket) {
    guard let index = waiters.firstIndex(where: { $0.ticket === ticket }) else { return }
    _ = remove(at: index)
  }

  /// When to look again; nil if nobody waits.
  func wake(at now: Int64) -> Int64? {
    guard let first = waiters.first, let next else { return nil }
    let none = InlineArray<5, Int64>(repeating: 0)
    return min(first.deadline, now + wait(clamped(waiters[next].amounts), behind: none, at: now))
  }
}

enum ShareBounds {
  /// Waiting requests, in all.
  static let waitersMax = 256
  /// Clients wait longer for an answer's first byte, but not without a word.
  static let waitSecondsMax: Int64 = 10
  fileprivate static let waitNanosecondsMax = waitSecondsMax * 1_000_000_000
  /// What a bucket holds, as the time it takes to fill.
  fileprivate static let bucketNanoseconds: Int64 = 60_000_000_000
  /// No bucket is further from full than an hour, whatever an answer claims to have used.
  fileprivate static let debtNanosecondsMax: Int64 = 3_600_000_000_000
}
