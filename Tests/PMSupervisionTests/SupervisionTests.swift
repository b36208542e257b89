import PMWire
import Testing

@testable import PMSupervision

@Suite struct SupervisionTests {
  // MARK: Boot

  @Test func productionBindsOnlyAfterTheVerdict() {
    var scene = Scene(Settings(isDevelopment: false))
    scene.send(.begin)
    #expect(scene.effects == [.appraise])
    scene.send(.verdict(.passed))
    #expect(scene.effects.contains(.bind))
    scene.send(.bound(true))
    #expect(scene.effects.contains(.spawn(.vendor, 1)))
  }

  @Test func aRefusedGateOpensNothingAndStaysUp() {
    var scene = Scene(Settings(isDevelopment: false))
    scene.send(.begin)
    scene.send(.verdict(.refused(token: "kmsg-no-snp")))
    #expect(!scene.effects.contains(.bind))
    scene.wait(seconds: 7200)
    #expect(scene.effects.isEmpty)
    #expect(scene.machine.overall == .gateShut)
  }

  @Test func anUnavailableGateIsTriedAgainWithPatience() {
    var scene = Scene(Settings(isDevelopment: false))
    scene.send(.begin)
    var waits: [UInt64] = []
    for _ in 0..<8 {
      scene.send(.verdict(.unavailable(token: "device-busy")))
      let due = scene.machine.deadline ?? scene.now
      waits.append(due.millisecondsSince(scene.now) / 1000)
      scene.now = due
      scene.send(.tick)
      #expect(scene.effects == [.appraise])
    }
    #expect(waits == [2, 4, 8, 16, 32, 60, 60, 60])
  }

  @Test func aSecondPassedVerdictBindsNothingAgain() {
    var scene = Scene(Settings(isDevelopment: false))
    scene.send(.begin)
    scene.send(.verdict(.passed))
    scene.send(.bound(true))
    scene.order(.gate)
    scene.send(.verdict(.passed))
    #expect(!scene.effects.contains(.bind))
    #expect(scene.answers == [.done])
  }

  @Test func threeUnavailableVerdictsShutAnOpenGate() {
    var scene = Scene(Settings(isDevelopment: false))
    scene.send(.begin)
    scene.send(.verdict(.passed))
    scene.send(.bound(true))
    for attempt in 1...3 {
      scene.order(.gate)
      scene.send(.verdict(.unavailable(token: "device-busy")))
      #expect(scene.effects.contains(.closeListeners) == (attempt == 3))
    }
  }

  @Test func aGateThatNeverOpenedClosesWhatAnEarlierRunLeft() {
    for verdict in [Verdict.refused(token: "kmsg-no-snp"), .unavailable(token: "device-busy")] {
      var scene = Scene(Settings(isDevelopment: false))
      scene.send(.begin)
      scene.send(.verdict(verdict))
      #expect(scene.effects.contains(.closeListeners))
    }
  }

  @Test func aReloadOvertakesTheRunOfTheGateThatKnowsItNot() {
    var scene = Scene(Settings(isDevelopment: false))
    scene.send(.begin)
    scene.send(.verdict(.passed))
    scene.send(.bound(true))
    scene.order(.gate)
    scene.order(.reload(changed: []))
    #expect(scene.effects.prefix(2) == [.adopt(2), .appraise])
    scene.order(.gate)
    #expect(!scene.effects.contains(.appraise), "an order waits for the run under way")
  }

  @Test func servicesStartOneAfterTheOtherWhenReady() {
    var scene = Scene()
    scene.send(.begin)
    scene.send(.bound(true))
    #expect(scene.state(.vendor) == .starting)
    #expect(scene.state(.core) == .off)
    scene.makeReady(.vendor)
    #expect(scene.state(.core) == .starting)
    #expect(scene.state(.edge) == .off)
    scene.makeReady(.core)
    #expect(scene.state(.edge) == .starting)
    #expect(scene.state(.admin) == .starting)
  }

  @Test func aSilentVendorHoldsTheOthersForTenSecondsEach() {
    var scene = Scene()
    scene.send(.begin)
    scene.send(.bound(true))
    scene.wait(seconds: 9)
    #expect(scene.state(.core) == .off)
    scene.wait(seconds: 2)
    #expect(scene.state(.core) == .starting)
    scene.makeReady(.core)
    #expect(scene.state(.edge) == .starting)
  }

  @Test func readyIsAnnouncedOnceAndOnlyAfterTheWholePathAnswered() {
    var scene = Scene.allReady()
    guard case .probe(let probe) = scene.effects.last(where: { $0.isPathProbe }) else {
      Issue.record("the path is probed when all are ready")
      return
    }
    scene.send(.probed(probe.id, passed: false))
    #expect(!scene.effects.contains(.announceReady))
    scene.wait(seconds: 1)
    guard case .probe(let again) = scene.effects.last(where: { $0.isPathProbe }) else {
      Issue.record("a failed probe of the path is repeated")
      return
    }
    scene.send(.probed(again.id, passed: true))
    #expect(scene.effects == [.announceReady])
  }

  @Test func readyIsAClaimUntilTheProbePasses() {
    var scene = Scene()
    scene.send(.begin)
    scene.send(.bound(true))
    scene.makeReady(.vendor)
    scene.send(.claimedReady(.core, 1))
    #expect(scene.state(.core) == .starting)
    guard let id = scene.machine[.core].probe else {
      Issue.record("a claim is probed")
      return
    }
    scene.send(.probed(id, passed: false))
    #expect(scene.state(.core) == .starting)
  }

  // MARK: Faults

  @Test func crashesBackOffButNeverBecomeFinal() {
    var scene = Scene.allReady()
    var waits: [UInt64] = []
    for _ in 0..<50 {
      scene.exit(.core, .signal(11))
      #expect(scene.state(.core) == .backingOff)
      guard let retry = scene.machine[.core].retryAt else {
        Issue.record("a retry is due")
        return
      }
      waits.append(retry.millisecondsSince(scene.now))
      scene.now = retry
      while scene.state(.core) == .backingOff { scene.send(.tick) }
      #expect(scene.state(.core) == .starting)
    }
    #expect((450...550).contains(waits[0]))
    #expect((900...1100).contains(waits[1]))
    #expect(waits.allSatisfy { $0 <= 33_000 })
    #expect((27_000...33_000).contains(waits[49]))
  }

  @Test func fiveExitsWithinAMinuteAreReportedOnce() {
    var scene = Scene.allReady()
    var reports = 0
    for _ in 0..<8 {
      scene.exit(.admin, .code(1))
      reports += scene.effects.count { $0 == .record(.flapping(.admin)) }
      scene.order(.start(.admin))
      scene.makeReady(.admin)
    }
    #expect(reports == 1)
    #expect(scene.machine.overall == .degraded)
  }

  @Test func aMinuteOfReadyForgetsTheFaults() {
    var scene = Scene.allReady()
    for _ in 0..<4 {
      scene.exit(.vendor, .code(1))
      scene.tick(.retry(.vendor))
      scene.makeReady(.vendor)
    }
    #expect(scene.machine[.vendor].faults == 4)
    scene.tick(.steady(.vendor))
    #expect(scene.machine[.vendor].faults == 0)
  }

  @Test(arguments: [Exit.code(78), .code(125), .digestDiffers])
  func whatNoRetryHealsIsBarred(_ exit: Exit) {
    var scene = Scene.allReady()
    scene.exit(.core, exit)
    #expect(scene.state(.core) == .barred)
    scene.wait(seconds: 3600)
    #expect(scene.state(.core) == .barred)
    scene.order(.start(.core))
    #expect(scene.state(.core) == .starting)
  }

  @Test(arguments: [Exit.code(0), .code(1), .code(75), .signal(9), .outOfMemory])
  func whatARetryMayHealIsNot(_ exit: Exit) {
    var scene = Scene.allReady()
    scene.exit(.core, exit)
    #expect(scene.state(.core) == .backingOff)
  }

  @Test func aVendorFaultThatHealsSlowlyWaitsAMinute() {
    var scene = Scene.allReady()
    scene.exit(.vendor, .slowToHeal(1))
    #expect((scene.machine[.vendor].retryAt ?? scene.now) >= scene.now.adding(seconds: 60))
  }

  @Test func aSilentChildIsKilledAfterItsGraceAndTheReasonIsTheWatchdog() {
    var scene = Scene.allReady()
    scene.tick(.watchdog(.core))
    #expect(scene.state(.core) == .unhealthy)
    scene.tick(.grace(.core))
    #expect(scene.effects.contains(.kill(.core, 1)))
    scene.exit(.core, .signal(9))
    #expect(scene.deaths.map(\.reason) == [.watchdog])
    #expect(scene.state(.core) == .backingOff)
  }

  @Test func threeFailedProbesMakeAServiceUnhealthyAndOnePassedHealsIt() {
    var scene = Scene.allReady()
    for _ in 0..<3 {
      #expect(scene.state(.vendor) == .ready)
      scene.tick(.probe(.vendor))
      if let id = scene.machine[.vendor].probe { scene.send(.probed(id, passed: false)) }
    }
    #expect(scene.state(.vendor) == .unhealthy)
    scene.passProbe(.vendor)
    #expect(scene.state(.vendor) == .ready)
  }

  @Test func aStartThatTakesTooLongIsKilledAndTriedAgainWhenItIsGone() {
    var scene = Scene.allReady()
    scene.exit(.core, .signal(11))
    scene.order(.start(.core))
    scene.tick(.startDeadline(.core))
    #expect(scene.effects.contains(.kill(.core, 2)))
    scene.tick(.retry(.core))
    #expect(scene.state(.core) == .backingOff)
    scene.exit(.core, .signal(9), generation: 2)
    #expect(scene.effects.contains(.spawn(.core, 3)))
    #expect(scene.deaths.map(\.reason) == [.startDeadline])
  }

  // MARK: Overlap

  @Test func aRestartOfEdgeKeepsTheOldOneUntilTheNewOneIsProved() {
    var scene = Scene.allReady()
    scene.order(.restart(.edge))
    #expect(scene.effects.contains(.spawn(.edge, 2)))
    #expect(!scene.effects.contains(.askToLeave(.edge, 1)))
    scene.makeReady(.edge)
    #expect(scene.effects.contains(.askToLeave(.edge, 1)))
    #expect(scene.answers == [.done])
    scene.exit(.edge, .code(0), generation: 1)
    #expect(scene.state(.edge) == .ready)
    #expect(scene.deaths.map(\.reason) == [.operator(uid: 7)])
  }

  @Test func aBadRestartOfEdgeIsRolledBack() {
    var scene = Scene.allReady()
    scene.order(.restart(.edge))
    scene.exit(.edge, .code(78))
    #expect(scene.state(.edge) == .ready)
    #expect(scene.number(.edge) == 1)
    #expect(scene.answers == [.keptOld(.exitCode(78))])
    #expect(!scene.effects.contains(.askToLeave(.edge, 1)))
  }

  @Test func aThirdRestartOfEdgeKillsTheOneThatStillDrains() {
    var scene = Scene.allReady()
    scene.order(.restart(.edge))
    scene.makeReady(.edge)
    scene.order(.restart(.edge))
    #expect(scene.effects.contains(.kill(.edge, 1)))
    #expect(scene.effects.contains(.spawn(.edge, 3)))
    scene.makeReady(.edge)
    #expect(scene.answers == [.done])
    scene.order(.restart(.edge))
    #expect(scene.answers == [.refused(.busy)])
  }

  @Test func drainingEdgeIsKilledAtTheDeadline() {
    var scene = Scene.allReady()
    scene.order(.stop(.edge))
    scene.wait(seconds: Limits.drainSeconds)
    #expect(scene.effects.contains(.kill(.edge, 1)))
    #expect(scene.state(.edge) == .stopping)
  }

  @Test func aRestartOfCoreStopsBeforeItStarts() {
    var scene = Scene.allReady()
    scene.order(.restart(.core))
    #expect(scene.effects.contains(.askToLeave(.core, 1)))
    #expect(!scene.effects.contains(.spawn(.core, 2)))
    scene.exit(.core, .code(0))
    #expect(scene.effects.contains(.spawn(.core, 2)))
    scene.makeReady(.core)
    #expect(scene.answers == [.done])
  }

  // MARK: Vendor

  @Test func theVendorIsInterruptedWhenCoreHasFinished() {
    var scene = Scene.allReady()
    scene.order(.restart(.vendor))
    #expect(scene.effects.contains(.tell(.core, 1, .drainVendor)))
    scene.send(.heard(.core, 1, Report(inFlight: 2, vendor: .draining)))
    #expect(!scene.effects.contains(.askToLeave(.vendor, 1)))
    scene.send(.heard(.core, 1, Report(inFlight: 0, vendor: .draining)))
    #expect(scene.effects.contains(.askToLeave(.vendor, 1)))
    scene.exit(.vendor, .code(0))
    scene.makeReady(.vendor)
    #expect(scene.effects.contains(.tell(.core, 1, .resumeVendor)))
  }

  @Test func aCoreThatDoesNotFinishIsNotWaitedForEver() {
    var scene = Scene.allReady()
    scene.order(.restart(.vendor))
    scene.wait(seconds: 4)
    scene.send(.heard(.core, 1, Report(inFlight: 1, vendor: .draining)))
    scene.wait(seconds: 26)
    #expect(scene.effects.contains(.askToLeave(.vendor, 1)))
    scene.wait(seconds: 5)
    #expect(scene.effects.contains(.kill(.vendor, 1)))
  }

  @Test func withoutCoreTheVendorIsInterruptedAtOnce() {
    var scene = Scene.allReady()
    scene.exit(.core, .signal(11))
    scene.order(.restart(.vendor))
    #expect(scene.effects.contains(.askToLeave(.vendor, 1)))
  }

  @Test func aFailingVendorIsRestartedButNotMoreThanOnceInFiveMinutes() {
    var scene = Scene.allReady()
    scene.send(.heard(.core, 1, Report(inFlight: 0, vendor: .failing)))
    #expect(scene.state(.vendor) == .draining)
    scene.exit(.vendor, .code(1))
    scene.makeReady(.vendor)
    scene.send(.heard(.core, 1, Report(inFlight: 0, vendor: .failing)))
    #expect(scene.state(.vendor) == .ready)
    scene.now = scene.now.adding(seconds: Limits.vendorCareSeconds)
    scene.send(.heard(.core, 1, Report(inFlight: 0, vendor: .failing)))
    #expect(scene.state(.vendor) == .draining)
  }

  @Test func aVendorWithoutItsRefreshLoopIsRestartedWhenQuiet() {
    var scene = Scene.allReady()
    scene.send(.heard(.core, 1, Report(inFlight: 3, vendor: .up)))
    scene.send(.vendorLostRefresh)
    scene.tick(.vendorQuiet)
    scene = Scene.allReady()
    scene.send(.heard(.core, 1, Report(inFlight: 3, vendor: .up)))
    scene.send(.vendorLostRefresh)
    scene.wait(seconds: 6)
    #expect(scene.machine[.vendor].generations.map(\.number) == [1])
    #expect(scene.state(.vendor) != .draining)
    scene.send(.heard(.core, 1, Report(inFlight: 0, vendor: .up)))
    scene.tick(.vendorQuiet)
    #expect(scene.state(.vendor) == .draining)
  }

  @Test func aRestartOfTheVendorRestartsNobodyElse() {
    var scene = Scene.allReady()
    scene.exit(.vendor, .signal(9))
    for service in [Service.core, .edge, .admin] { #expect(scene.state(service) == .ready) }
  }

  // MARK: Orders and shutdown

  @Test func anOrderIsAnsweredAtItsDeadline() {
    var scene = Scene.allReady()
    scene.send(
      .order(Order(id: 1, kind: .restart(.core), uid: 0, deadline: scene.now.adding(seconds: 3))))
    scene.wait(seconds: 3)
    #expect(scene.answers == [.timedOut])
  }

  @Test func aReloadThatCannotBeTakenAdoptsNothing() {
    var scene = Scene.allReady()
    scene.order(.restart(.core))
    scene.order(.reload(changed: [.core, .edge]))
    #expect(scene.answers == [.refused(.state(.draining))])
    #expect(!scene.effects.contains { if case .adopt = $0 { true } else { false } })
  }

  @Test func aReloadWithoutChangesTellsEdgeAndCore() {
    var scene = Scene.allReady()
    let id = scene.order(.reload(changed: []))
    #expect(
      scene.effects == [
        .adopt(id), .tell(.core, 1, .reload), .tell(.edge, 1, .reload), .answer(id, .done),
      ])
  }

  @Test func aReloadLiftsABarWhoseInputChanged() {
    var scene = Scene.allReady()
    scene.exit(.edge, .code(78))
    scene.order(.reload(changed: [.edge]))
    #expect(scene.state(.edge) == .starting)
  }

  @Test func shutdownGoesEdgeAdminCoreVendor() {
    var scene = Scene.allReady()
    scene.send(.terminate)
    #expect(scene.effects.contains(.announceStopping))
    for service in [Service.edge, .admin, .core, .vendor] {
      #expect(scene.effects.contains(.askToLeave(service, 1)), "\(service)")
      scene.exit(service, .code(0))
    }
    #expect(scene.effects.contains(.leave))
    #expect(scene.machine.deadline == nil)
  }

  @Test func shutdownEndsInBoundedTimeThoughNobodyListens() {
    var scene = Scene.allReady()
    scene.send(.terminate)
    scene.wait(seconds: Limits.shutdownSecondsMax)
    for service in Service.allCases where service != .edge {
      #expect(scene.effects.contains(.kill(service, 1)), "\(service)")
    }
  }

  @Test func theSameSeedGivesTheSameEffects() {
    func run() -> [Effect] {
      var scene = Scene.allReady()
      var all: [Effect] = []
      for _ in 0..<20 {
        scene.exit(.core, .signal(11))
        all += scene.effects
        scene.wait(seconds: 40)
        all += scene.effects
      }
      return all
    }
    #expect(run() == run())
  }
}

extension Effect {
  var isPathProbe: Bool {
    if case .probe(let probe) = self { return probe.target == .path }
    return false
  }
}
