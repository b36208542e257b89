import PMSystem
import Testing

@testable import PMCore

/// Keeps every request for ever, and counts its tokens anew each time.
private struct NaiveTokens {
  struct Entry {
    var moment: Int64
    var tokens: Int64
  }
  var entries: [Entry] = []

  /// Tokens that count at `now` for certain, and those that may count up to a step longer.
  func taken(at now: Int64) -> ClosedRange<Int64> {
    func sum(_ length: Int64) -> Int64 {
      entries.filter { $0.moment + length > now }.reduce(0) { $0 + $1.tokens }
    }
    let window = TokenWindow.seconds * 1_000_000_000
    return sum(window)...sum(window + TokenWindow.stepNanoseconds)
  }
}

struct TokenWindowTests {
  private let second: Int64 = 1_000_000_000

  @Test("Never more than a naive model, and free a step late at most", arguments: 0..<60)
  func property(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let limit = Int64.random(in: 1...1000, using: &random)
    var now = Int64.random(in: -100...100, using: &random) * second
    var window = TokenWindow(limit: limit, at: now)
    var naive = NaiveTokens()
    var open: [(index: Int, reserved: Int64, moment: Int64)] = []
    for _ in 0..<600 {
      if Bool.random(using: &random) { now += .random(in: 0...20 * second, using: &random) }
      window.advance(to: now)
      #expect(naive.taken(at: now).contains(window.taken))
      let tokens = window.clamped(.random(in: 0...limit * 2, using: &random))
      if window.hasRoom(for: tokens) {
        window.take(tokens, at: now)
        open.append((naive.entries.count, tokens, now))
        naive.entries.append(.init(moment: now, tokens: tokens))
      } else {
        let wait = window.nanosecondsUntilRoom(for: tokens, at: now)
        var (before, after) = (window, window)
        before.advance(to: now + wait - 1)
        after.advance(to: now + wait)
        #expect(wait > 0 && !before.hasRoom(for: tokens) && after.hasRoom(for: tokens))
      }
      if let last = open.indices.randomElement(using: &random), Bool.random(using: &random) {
        let ended = open.remove(at: last)
        let actual = Int64.random(in: 0...limit * 2, using: &random)
        window.settle(ended.reserved, takenAt: ended.moment, to: actual, at: now)
        if actual > ended.reserved {
          naive.entries.append(.init(moment: now, tokens: actual - ended.reserved))
        } else {
          naive.entries[ended.index].tokens = actual
        }
      }
    }
    window.advance(to: now + 61 * second)
    #expect(window.taken == 0)
  }

  @Test("A lone request larger than the limit passes when the window is empty, and only then")
  func large() {
    var window = TokenWindow(limit: 100, at: 0)
    #expect(window.clamped(5000) == 100 && window.hasRoom(for: window.clamped(5000)))
    window.take(1, at: 0)
    #expect(!window.hasRoom(for: window.clamped(5000)))
    #expect(window.nanosecondsUntilRoom(for: 100, at: 0) == 60_100_000_000)
  }

  @Test("The truth frees what the estimate held too much, and a surplus counts from the end on")
  func settlement() {
    var window = TokenWindow(limit: 100, at: 0)
    window.take(80, at: 0)
    window.settle(80, takenAt: 0, to: 30, at: 10 * second)
    #expect(window.taken == 30 && window.remaining == 70)
    window.take(10, at: 10 * second)
    window.settle(10, takenAt: 10 * second, to: 50, at: 50 * second)
    #expect(window.taken == 80)
    window.advance(to: 71 * second)
    #expect(window.taken == 40)
    // A reservation that has left the window gives nothing back.
    window.settle(30, takenAt: 0, to: 0, at: 72 * second)
    #expect(window.taken == 40)
    window.advance(to: 111 * second)
    #expect(window.taken == 0)
  }

  @Test("No answer's claim leads a sum out of its bits")
  func claims() {
    var window = TokenWindow(limit: 10, at: 0)
    for _ in 0..<1000 { window.take(.max, at: 0) }
    #expect(window.taken == 1000 * TokenWindow.tokensMax && window.remaining == 0)
  }
}
