import Seeded
import Testing

@testable import PMSystem

@Suite struct DeadlineWheelTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  private func later(_ milliseconds: UInt64) -> Instant { start.adding(milliseconds: milliseconds) }

  @Test func anEmptyWheelSleepsForEver() {
    let wheel = DeadlineWheel(start: start)
    #expect(wheel.waitMilliseconds(from: start) == .max)
    #expect(!wheel.isDue(at: later(1_000_000_000)))
  }

  @Test func anEntryThatComesFirstAnywayIsKept() {
    var wheel = DeadlineWheel(start: start)
    let tick = wheel.tick(for: later(1000), armed: .max)
    #expect(tick == 51)
    wheel.insert(.init(slot: 0, generation: 0), at: 51)
    #expect(wheel.tick(for: later(5000), armed: 51) == nil)
    #expect(wheel.tick(for: later(400), armed: 51) == 21)
  }

  /// The loop's way with the wheel, over simulated time: no deadline is early, none is later than
  /// two ticks, whatever was moved before, and none is forgotten.
  @Test func everyDeadlineFiresInTime() {
    for seed in UInt64(0)..<30 { simulate(seed) }
  }

  private func simulate(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var wheel = DeadlineWheel(start: start)
    var deadlines = [Instant](repeating: .never, count: 20)
    var armed = [UInt64](repeating: .max, count: 20)
    var now: UInt64 = 0

    func arm(_ slot: Int, _ wheel: inout DeadlineWheel) {
      guard let tick = wheel.tick(for: deadlines[slot], armed: armed[slot]) else { return }
      armed[slot] = tick
      wheel.insert(.init(slot: Int32(slot), generation: 0), at: tick)
    }

    for _ in 0..<600 {
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        let slot = Int.random(in: 0..<20, using: &random)
        let reach: UInt64 = [30, 2000, 60_000].randomElement(using: &random) ?? 30
        deadlines[slot] = later(now + .random(in: 0...reach, using: &random))
        arm(slot, &wheel)
      }
      let wait = wheel.waitMilliseconds(from: later(now))
      let sleep = min(UInt64(max(0, wait)), .random(in: 0...30_000, using: &random))
      now += sleep
      if !wheel.isDue(at: later(now)) { continue }
      var due: [DeadlineWheel.Entry] = []
      wheel.takeDue(at: later(now), into: &due)
      for entry in due where armed[Int(entry.slot)] == entry.tick {
        let slot = Int(entry.slot)
        armed[slot] = .max
        if deadlines[slot] == .never { continue }
        if deadlines[slot] > later(now) {
          arm(slot, &wheel)
        } else {
          deadlines[slot] = .never
        }
      }
      let overdue = deadlines.filter { $0.adding(milliseconds: 41) < later(now) }
      guard overdue.isEmpty else {
        Issue.record("seed \(seed): \(overdue.count) deadlines were missed")
        return
      }
    }
    #expect(deadlines.allSatisfy { $0 == .never || $0.adding(milliseconds: 41) >= later(now) })
  }
}
