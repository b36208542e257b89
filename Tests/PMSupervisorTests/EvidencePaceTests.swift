import PMSystem
import PMWire
import Testing

@testable import PMSupervisor

@Suite struct EvidencePaceTests {
  private func at(_ milliseconds: UInt64) -> Instant {
    Instant(nanoseconds: 0).adding(milliseconds: 1000 + milliseconds)
  }

  @Test func aBurstAndThenOneEachSecond() {
    var pace = EvidencePace()
    var granted = (0..<100).count { _ in pace.take(at(0)) }
    #expect(granted == EvidenceLimits.burstMax)
    let seconds = pace.secondsUntilNext(at(0))
    #expect(seconds == 1)
    granted = [900, 1000, 1001].map { pace.take(at($0)) ? 1 : 0 }.reduce(0, +)
    #expect(granted == 1)
  }

  @Test func aLongPauseGivesNoMoreThanABurst() {
    var pace = EvidencePace()
    _ = pace.take(at(0))
    let granted = (0..<100).count { _ in pace.take(at(3_600_000)) }
    #expect(granted == EvidenceLimits.burstMax)
  }
}
