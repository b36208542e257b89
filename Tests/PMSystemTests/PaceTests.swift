import PMSystem
import Testing

private func at(_ milliseconds: UInt64) -> Instant {
  Instant(nanoseconds: 0).adding(milliseconds: 1_000_000 + milliseconds)
}

@Suite struct PaceTests {
  private func admitted(_ account: inout Pace.Account, _ pace: Pace, at now: Instant) -> Int {
    var count = 0
    while count < 100_000, account.admits(pace, at: now) { count += 1 }
    return count
  }

  @Test(arguments: [1, 7, 100, 1000]) func tenSecondsAreAdmittedAtOnce(_ perSecond: Int) {
    let pace = Pace(perSecond: perSecond, burstSeconds: 10)
    var account = Pace.Account()
    #expect(account.isIdle(at: at(0)))
    #expect(admitted(&account, pace, at: at(0)) == perSecond * 10)
    #expect(!account.isIdle(at: at(9000)))
    // Then as many as time has passed for.
    #expect(admitted(&account, pace, at: at(1000)) == perSecond)
    #expect(admitted(&account, pace, at: at(1000)) == 0)
    #expect(account.isIdle(at: at(11_001)))
    #expect(admitted(&account, pace, at: at(60_000)) == perSecond * 10)
  }

  @Test func oneEachSecondAndAFewAtOnce() {
    let pace = Pace(perSecond: 1, burstSeconds: 5)
    var account = Pace.Account()
    #expect(admitted(&account, pace, at: at(0)) == 5)
    #expect(admitted(&account, pace, at: at(999)) == 0)
    #expect(admitted(&account, pace, at: at(1000)) == 1)
    #expect(admitted(&account, pace, at: at(4000)) == 3)
    // A long pause gives no more than that.
    #expect(admitted(&account, pace, at: at(3_600_000)) == 5)
  }
}
