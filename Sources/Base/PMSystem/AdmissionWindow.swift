/// Admissions of the last `seconds`, at most `limit` at any moment. A place is free again exactly
/// `seconds` after it was taken, as long as the limit is not above `exactPlacesMax`. Above, times
/// are rounded up to a thousandth of the window, so that memory stays bounded: a place then comes
/// free up to that much later, never earlier.
public struct AdmissionWindow: Sendable {
  /// Entries of an exact window: 16 bytes each, so 256 KiB for one key at its limit.
  public static let exactPlacesMax = 16_384
  /// Steps of a rounded window.
  public static let stepsPerWindow: Int64 = 1024

  /// Entries whose memory an empty window keeps.
  private static let idleEntriesMax = 64

  /// Places taken at one moment.
  private struct Entry {
    var nanoseconds: Int64
    var places: Int32
  }

  public private(set) var limit: Int
  private var lengthNanoseconds: Int64
  /// A ring, the oldest entry at `first`.
  private var entries: [Entry] = []
  private var first = 0
  private var entryCount = 0
  /// Places taken in the window.
  public private(set) var taken = 0

  /// Admits at most `limit` in any `seconds`.
  public init(limit: Int, seconds: Int) {
    self.limit = limit
    lengthNanoseconds = Int64(seconds) * 1_000_000_000
  }

  /// Changes the limit and length; what was admitted stays counted.
  public mutating func change(limit: Int, seconds: Int) {
    self.limit = limit
    lengthNanoseconds = Int64(seconds) * 1_000_000_000
  }

  /// Places that are free, as of the last look.
  public var remaining: Int { max(0, limit - taken) }

  /// Frees what was taken a window ago or earlier, and tells if a place is free.
  public mutating func hasPlace(at now: Int64) -> Bool {
    while entryCount > 0, entries[first].nanoseconds &+ lengthNanoseconds <= now {
      taken -= Int(entries[first].places)
      first = first + 1 == entries.count ? 0 : first + 1
      entryCount -= 1
    }
    if entryCount == 0, entries.count > Self.idleEntriesMax { (entries, first) = ([], 0) }
    return taken < limit
  }

  /// Takes a place; the caller has asked for it. Times never go back.
  public mutating func take(at now: Int64) {
    taken += 1
    let moment = rounded(now)
    if entryCount > 0 {
      let last = (first + entryCount - 1) % entries.count
      // A time that went back all the same counts as the last one.
      if moment <= entries[last].nanoseconds, entries[last].places < .max {
        entries[last].places += 1
        return
      }
    }
    if entryCount == entries.count { grow() }
    entries[(first + entryCount) % entries.count] = Entry(nanoseconds: moment, places: 1)
    entryCount += 1
  }

  private func rounded(_ moment: Int64) -> Int64 {
    if limit <= Self.exactPlacesMax { return moment }
    let step = lengthNanoseconds / Self.stepsPerWindow
    return (moment - 1).floorDivided(by: step) * step + step
  }

  private mutating func grow() {
    var larger = Array(entries[first...]) + entries[..<first]
    let empty = Entry(nanoseconds: 0, places: 0)
    larger.append(contentsOf: repeatElement(empty, count: max(8, larger.count)))
    entries = larger
    first = 0
  }

  /// Nanoseconds until a request would be admitted; while places are free, until the next one is.
  /// 0 if none is taken.
  public func nanosecondsUntilFree(at now: Int64) -> Int64 {
    // If the limit was lowered, several entries must end before there is a place.
    var excess = max(1, taken - limit + 1)
    for offset in 0..<entryCount {
      let entry = entries[(first + offset) % entries.count]
      excess -= Int(entry.places)
      if excess <= 0 { return max(0, entry.nanoseconds &+ lengthNanoseconds - now) }
    }
    return 0
  }
}
