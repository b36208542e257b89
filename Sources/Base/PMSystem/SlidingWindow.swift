/// When places of a limit were taken, oldest first. A place is free again a whole window after it
/// was taken, so at no moment are more places taken in the last window than the limit says. Memory
/// grows with the places taken, never beyond the limit of whoever asks.
public struct SlidingWindow: Sendable {
  /// A ring: the oldest place is at `first`.
  private var places: [UInt64] = []
  private var first = 0
  public private(set) var count = 0

  public init() {}
  public var isEmpty: Bool { count == 0 }

  /// Frees the places that were taken `seconds` ago or earlier.
  public mutating func forget(before now: Instant, seconds: Int) {
    let window = UInt64(seconds) * 1_000_000_000
    while count > 0, places[first] &+ window <= now.nanoseconds {
      first = first + 1 == places.count ? 0 : first + 1
      count -= 1
    }
    if count == 0 { self = SlidingWindow() }
  }

  /// Takes a place. The caller has looked at `count`.
  public mutating func take(at now: Instant) {
    if count == places.count { grow() }
    let next = first + count
    places[next < places.count ? next : next - places.count] = now.nanoseconds
    count += 1
  }

  private mutating func grow() {
    var larger: [UInt64] = []
    larger.reserveCapacity(max(8, places.count * 2))
    larger.append(contentsOf: places[first...])
    larger.append(contentsOf: places[..<first])
    larger.append(contentsOf: repeatElement(0, count: max(8, places.count * 2) - larger.count))
    places = larger
    first = 0
  }

  /// Whole seconds until the oldest place is free, at least 1.
  public func secondsUntilPlace(at now: Instant, seconds: Int) -> Int {
    guard count > 0 else { return 1 }
    let free = places[first] &+ UInt64(seconds) * 1_000_000_000
    let wait = free > now.nanoseconds ? free - now.nanoseconds : 0
    return max(1, Int((wait + 999_999_999) / 1_000_000_000))
  }
}
