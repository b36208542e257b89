import PMSystem
import PMWire
import Seeded
import Testing

@testable import PMCore

struct VendorHealthTests {
  private func at(_ seconds: Double) -> Instant {
    Instant(nanoseconds: 1_000_000_000_000 + UInt64(seconds * 1e9))
  }

  private func fault(_ status: Int, retryAfter: Int? = nil) -> VendorFault {
    VendorFault(
      status: status, isGateway: true, body: ByteBuffer(), isJSON: true,
      retryAfterSeconds: retryAfter)
  }

  @Test func withoutATimeTheWaitDoublesToAMinute() {
    for seed in 0..<50 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      var coolDown = CoolDown()
      var now = 0.0
      for longest in [2, 4, 8, 16, 32, 60, 60, 60] {
        coolDown.begin(stated: nil, at: at(now), using: &random)
        let wait = coolDown.seconds(at: at(now)) ?? 0
        #expect((longest - longest / 4...longest).contains(wait))
        // Requests that were under way are refused too: that is the same refusal.
        coolDown.begin(stated: nil, at: at(now + 0.5), using: &random)
        #expect(coolDown.seconds(at: at(now + Double(wait))) == nil)
        now += Double(wait)
      }
      coolDown.end()
      coolDown.begin(stated: nil, at: at(now), using: &random)
      #expect(coolDown.seconds(at: at(now)) == 2)
    }
  }

  @Test func waitsDiffer() {
    var random = SeededRandom(seed: 1)
    let waits = (0..<20).map { _ in
      var coolDown = CoolDown()
      for step in 0..<5 { coolDown.begin(stated: nil, at: at(100 * Double(step)), using: &random) }
      return coolDown.seconds(at: at(400))
    }
    #expect(Set(waits).count > 3)
  }

  @Test func theVendorsOwnTimeCounts() {
    let health = VendorHealth()
    for status in [429, 503] {
      #expect(health.failed(fault(status, retryAfter: 17), at: at(0)).retryAfterSeconds == 17)
    }
    #expect(health.throttleSeconds(at: at(10)) == 7)
    #expect(health.throttleSeconds(at: at(16.5)) == 1)
    #expect(health.throttleSeconds(at: at(17)) == nil)
    // A shorter time does not shorten one that runs.
    #expect(health.failed(fault(429, retryAfter: 2), at: at(10)).retryAfterSeconds == 7)
    // A time of its own does not count towards the doubling.
    #expect(health.failed(fault(429), at: at(20)).retryAfterSeconds == 2)
  }

  @Test func aServedRequestBeginsAnew() {
    let health = VendorHealth()
    func wait(_ seconds: Double) -> Int? {
      health.failed(fault(429), at: at(seconds)).retryAfterSeconds
    }
    #expect(wait(0) == 2)
    #expect((3...4).contains(wait(10) ?? 0))
    // Our own question that is answered says nothing of the limit.
    health.answered()
    #expect((6...8).contains(wait(20) ?? 0))
    health.served()
    #expect(wait(40) == 2)
    #expect(health.word == "up")
  }

  @Test func otherFaultsDoNotThrottle() {
    let health = VendorHealth()
    for status in [400, 404, 500, 502, 504] {
      #expect(health.failed(fault(status), at: at(0)) == fault(status).error)
    }
    #expect(health.throttleSeconds(at: at(0)) == nil)
  }
}
