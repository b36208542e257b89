import PMWire
import Testing

@testable import PMSupervision

@Suite struct SimulationTests {
  static let seedCount: UInt64 = 1000

  /// Seeds to run: all, or the one that is looked at.
  static var seeds: [UInt64] {
    seedInEnvironment().map { [$0] } ?? Array(1...seedCount)
  }

  @Test func invariantsHoldForEverySeed() {
    for seed in Self.seeds {
      let failures = run(seed)
      #expect(failures.isEmpty, "PM_SEED=\(seed)")
      if !failures.isEmpty { return }
    }
  }

  /// Minutes of faults and orders, then none, then shutdown.
  func run(_ seed: UInt64) -> [String] {
    var world = World(seed: seed, settings: Settings(isDevelopment: seed % 4 == 0))
    world.feed(.begin)
    let end = Moment(milliseconds: world.milliseconds(30_000...240_000))
    var nextOrder = world.now
    while world.now < end, world.failures.isEmpty {
      if world.now >= nextOrder {
        world.giveRandomOrder()
        nextOrder = world.now.adding(milliseconds: world.milliseconds(100...30_000))
      }
      _ = world.step(until: min(end, nextOrder))
    }
    recover(&world)
    leave(&world)
    for id in world.given where world.answered[id] == nil {
      world.failures.append("order \(id) was never answered")
    }
    return world.failures
  }

  /// Without faults everything is ready in bounded time; only a person lifts bars and stops.
  private func recover(_ world: inout World) {
    world.hasFaults = false
    advanceUntilReady(&world, 200)
    if !world.machine.settings.isDevelopment { world.giveOrder(.gate) }
    advance(&world, 10)
    for service in Service.allCases where world.machine[service].state != .ready {
      world.giveOrder(.start(service))
    }
    advanceUntilReady(&world, 200)
    advance(&world, 5)
    for service in Service.allCases where world.machine[service].state != .ready {
      world.fail("\(service) is \(world.machine[service].state) without faults")
    }
    if !world.isAnnounced { world.fail("never announced") }
  }

  private func leave(_ world: inout World) {
    world.giveOrder(.restart(.edge))
    world.feed(.terminate)
    world.giveOrder(.restart(.core))
    advance(&world, Limits.shutdownSecondsMax + 5)
    if !world.hasLeft { world.fail("did not leave") }
  }

  private func advanceUntilReady(_ world: inout World, _ seconds: UInt64) {
    let end = world.now.adding(seconds: seconds)
    while world.machine.overall != .ready, world.step(until: end), world.failures.isEmpty {}
  }

  private func advance(_ world: inout World, _ seconds: UInt64) {
    let end = world.now.adding(seconds: seconds)
    while world.step(until: end), world.failures.isEmpty {}
  }
}
