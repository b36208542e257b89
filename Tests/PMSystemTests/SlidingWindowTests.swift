import PMSystem
import Seeded
import Testing

@Suite struct SlidingWindowTests {
  private func at(_ milliseconds: UInt64) -> Instant {
    Instant(nanoseconds: milliseconds * 1_000_000)
  }

  @Test func aPlaceIsFreeExactlyOneWindowLater() {
    var window = SlidingWindow()
    window.take(at: at(500))
    window.forget(before: Instant(nanoseconds: 2_499_999_999), seconds: 2)
    #expect(window.count == 1)
    window.forget(before: at(2500), seconds: 2)
    #expect(window.isEmpty)
  }

  @Test func theWaitIsRoundedUpToWholeSeconds() {
    var window = SlidingWindow()
    #expect(window.secondsUntilPlace(at: at(0), seconds: 60) == 1)
    window.take(at: at(1000))
    #expect(window.secondsUntilPlace(at: at(1000), seconds: 60) == 60)
    #expect(window.secondsUntilPlace(at: at(1001), seconds: 60) == 60)
    #expect(window.secondsUntilPlace(at: at(60_000), seconds: 60) == 1)
    #expect(window.secondsUntilPlace(at: at(90_000), seconds: 60) == 1)
  }

  /// Against a list that keeps everything.
  @Test func countsWhatAListCounts() {
    for seed in UInt64(0)..<40 {
      var random = SeededRandom(seed: seed)
      let seconds = Int.random(in: 1...5, using: &random)
      let limit = Int.random(in: 1...40, using: &random)
      var (window, places) = (SlidingWindow(), [UInt64]())
      var now: UInt64 = .random(in: 0...1000, using: &random)
      for step in 0..<400 {
        now += .random(in: 0...(Bool.random(using: &random) ? 2 : 900), using: &random)
        window.forget(before: at(now), seconds: seconds)
        places.removeAll { $0 + UInt64(seconds) * 1000 <= now }
        guard window.count == places.count else {
          Issue.record("seed \(seed), step \(step): \(window.count) is not \(places.count)")
          return
        }
        guard window.count < limit else {
          let wait = UInt64(window.secondsUntilPlace(at: at(now), seconds: seconds)) * 1000
          var later = window
          later.forget(before: at(now + wait), seconds: seconds)
          #expect(later.count < limit, "seed \(seed), step \(step)")
          continue
        }
        window.take(at: at(now))
        places.append(now)
      }
    }
  }
}
