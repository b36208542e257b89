import PMSystem
import Testing

@testable import PMEdge

private func at(_ milliseconds: UInt64) -> Instant {
  Instant(nanoseconds: 0).adding(milliseconds: 1_000_000 + milliseconds)
}

@Suite struct BodyClockTests {
  @Test func aStallEndsIt() {
    let clock = BodyClock(at: at(0))
    #expect(clock.deadline(at: at(0)) == at(EdgeBounds.bodyStallSecondsMax * 1000))
  }

  @Test func singleBytesDoNotKeepItForever() {
    var clock = BodyClock(at: at(0))
    var now: UInt64 = 0
    while clock.deadline(at: at(now)) > at(now), now < 86_400_000 {
      now += 29_000
      clock.take(1)
    }
    #expect(now <= (EdgeBounds.bodySecondsMax + 30) * 1000)
  }

  @Test func aSlowLinkIsWaitedFor() {
    var clock = BodyClock(at: at(0))
    // Two hours at the floor.
    for second in 1...7200 as ClosedRange<UInt64> {
      clock.take(Int(EdgeBounds.bodyBytesPerSecondMin))
      #expect(clock.deadline(at: at(second * 1000)) > at(second * 1000))
    }
  }

  @Test func timeHeldBackIsNotTheClients() {
    var clock = BodyClock(at: at(0))
    clock.hold(at: at(1000))
    clock.hold(at: at(2000))
    #expect(clock.deadline(at: at(5_000_000)) == .never)
    clock.goOn(at: at(5_000_000))
    #expect(clock.deadline(at: at(5_000_000)) == at(5_030_000))
    let end = EdgeBounds.bodySecondsMax * 1000 + 4_999_000
    #expect(clock.deadline(at: at(end - 1)) == at(end))
  }
}
