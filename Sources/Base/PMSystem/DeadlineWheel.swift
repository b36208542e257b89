/// Deadlines in buckets of `tickMilliseconds`. Moving a deadline later costs nothing: its entry
/// fires early and is put back. Moving it earlier adds an entry; the old one is recognised as stale
/// by its tick. So a connection whose deadline moves with every request is rarely touched.
struct DeadlineWheel {
  struct Entry {
    var slot: Int32
    var generation: UInt32
    var tick: UInt64 = 0
  }

  /// Precision of all deadlines of a loop.
  static let tickMilliseconds: UInt64 = 20
  /// Buckets; deadlines further away than this many ticks (20 s) are looked at once in between.
  static let bucketCount: UInt64 = 1024

  private let start: Instant
  private var buckets: [[Entry]] = Array(repeating: [], count: Int(bucketCount))
  private var nextTick: UInt64 = 0
  /// No bucket before this tick holds an entry.
  private var earliestTick: UInt64 = .max

  init(start: Instant) { self.start = start }

  private func tick(at instant: Instant) -> UInt64 {
    instant.millisecondsSince(start) / Self.tickMilliseconds
  }

  /// Where an entry for `deadline` belongs; nil if the entry armed already is early enough.
  func tick(for deadline: Instant, armed: UInt64) -> UInt64? {
    // Rounded up, so that the deadline is past when its bucket is due.
    let exact = tick(at: deadline) + 1
    let tick = min(max(exact, nextTick), nextTick + Self.bucketCount - 1)
    return armed <= tick ? nil : tick
  }

  mutating func insert(_ entry: Entry, at tick: UInt64) {
    var entry = entry
    entry.tick = tick
    buckets[Int(tick % Self.bucketCount)].append(entry)
    earliestTick = min(earliestTick, tick)
  }

  func isDue(at now: Instant) -> Bool { earliestTick <= tick(at: now) }

  mutating func takeDue(at now: Instant, into due: inout [Entry]) {
    let last = tick(at: now)
    var tick = earliestTick
    while tick <= last, tick < nextTick + Self.bucketCount {
      let bucket = Int(tick % Self.bucketCount)
      if !buckets[bucket].isEmpty {
        due.append(contentsOf: buckets[bucket])
        buckets[bucket].removeAll(keepingCapacity: true)
      }
      tick += 1
    }
    nextTick = max(nextTick, last + 1)
    findEarliest()
  }

  private mutating func findEarliest() {
    for tick in nextTick..<nextTick + Self.bucketCount
    where !buckets[Int(tick % Self.bucketCount)].isEmpty {
      earliestTick = tick
      return
    }
    earliestTick = .max
  }

  /// How long a loop may sleep; `.max` without any deadline.
  func waitMilliseconds(from now: Instant) -> Int32 {
    if earliestTick == .max { return .max }
    let due = start.adding(milliseconds: earliestTick * Self.tickMilliseconds)
    return due > now ? Int32(clamping: due.millisecondsSince(now) + 1) : 0
  }
}
