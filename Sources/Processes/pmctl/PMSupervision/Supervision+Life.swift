internal import PMWire

/// From spawn to ready, and what is watched from then on.
extension Supervision {
  mutating func spawn(_ service: Service, _ trigger: Transition.Trigger) {
    timers.cancel(.retry(service))
    timers.cancel(.turn(service))
    timers.cancel(.steady(service))
    let number = services[service].lastNumber + 1
    services[service].lastNumber = number
    services[service].currentNumber = number
    services[service].pendingSpawn = nil
    services[service].retryAt = nil
    services[service].isFaultStop = false
    if trigger == .retry { services[service].restarts += 1 }
    services[service].generations.append(Generation(number: number, bornAt: now))
    move(service, to: .starting, on: trigger)
    let seconds = service == .vendor ? settings.vendorStartSeconds : Limits.startSeconds
    timers.set(.startDeadline(service), now.adding(seconds: seconds))
    effects.append(.spawn(service, number))
    // The vendor's program claims nothing: its port is asked until it opens.
    if !service.notifies {
      timers.set(.probe(service), now.adding(milliseconds: Limits.probeRetryMilliseconds))
    }
  }

  mutating func claimedReady(_ service: Service, _ number: Int) {
    guard service.notifies, services[service].state == .starting,
      services[service].currentNumber == number, services[service].current?.hasClaimed == false
    else { return }
    // Still `starting`, so nobody is told: READY is a claim.
    services[service].update(number) { $0.hasClaimed = true }
    beginProbe(service)
  }

  // MARK: Probes

  mutating func beginProbe(_ service: Service) {
    guard let number = services[service].currentNumber else { return }
    lastProbe += 1
    services[service].probe = lastProbe
    timers.set(.probe(service), now.adding(seconds: Limits.probeAnswerSecondsMax))
    effects.append(.probe(Probe(id: lastProbe, target: .service(service, number))))
  }

  /// The probe did not answer, or it is time for the next one.
  mutating func probeTimePassed(_ service: Service) {
    if services[service].probe != nil { judgeProbe(service, false) } else { beginProbe(service) }
  }

  mutating func probed(_ id: Probe.ID, _ passed: Bool) {
    if id == pathProbe { return pathProbed(passed) }
    guard let service = Service.allCases.first(where: { services[$0].probe == id }) else { return }
    judgeProbe(service, passed)
  }

  private mutating func judgeProbe(_ service: Service, _ passed: Bool) {
    services[service].probe = nil
    guard let number = services[service].currentNumber else { return }
    settleProbeOrders(service, passed)
    switch services[service].state {
    case .starting where passed:
      becomeReady(service, number)
    case .starting:
      timers.set(.probe(service), now.adding(milliseconds: Limits.probeRetryMilliseconds))
    case .ready where passed:
      services[service].update(number) { $0.failedProbes = 0 }
      timers.set(.probe(service), now.adding(seconds: Limits.probeSeconds))
    case .ready:
      services[service].update(number) { $0.failedProbes += 1 }
      timers.set(.probe(service), now.adding(seconds: Limits.probeRepeatSeconds))
      let failed = services[service].current?.failedProbes ?? 0
      if failed >= Limits.failedProbesMax { complain(service, .probe) }
    case .unhealthy:
      if passed { services[service].update(number) { $0.isProvedAgain = true } }
      timers.set(.probe(service), now.adding(seconds: Limits.probeRepeatSeconds))
      recoverIfGood(service)
    case .off, .draining, .stopping, .backingOff, .barred: break
    }
  }

  // MARK: Ready

  private mutating func becomeReady(_ service: Service, _ number: Int) {
    timers.cancel(.startDeadline(service))
    services[service].update(number) { $0.phase = .serving }
    move(service, to: .ready, on: .probePassed)
    watch(service)
    timers.set(.steady(service), now.adding(seconds: Limits.steadySeconds))
    if let faultAt = services[service].faultAt, let born = services[service].current?.bornAt {
      services[service].faultAt = nil
      effects.append(
        .record(
          .recovered(
            Recovery(
              service: service, generation: number,
              waitedMilliseconds: born.millisecondsSince(faultAt),
              startedInMilliseconds: now.millisecondsSince(born)))))
    }
    if let old = services[service].oldServing {
      let reason = services[service].replacedFor ?? .shutdown
      services[service].lastReason = reason
      ask(service, old.number, reason)
    }
    services[service].replacedFor = nil
    if service == .vendor { tellCore(.resumeVendor) }
    if service == .core, services[.vendor].state == .draining { tellCore(.drainVendor) }
  }

  /// Arms what a ready generation is watched by.
  mutating func watch(_ service: Service) {
    if service.notifies {
      timers.set(.watchdog(service), now.adding(seconds: Limits.watchdogSeconds))
    }
    timers.set(.probe(service), now.adding(seconds: Limits.probeSeconds))
  }

  /// Disarms everything that was about the current generation.
  mutating func unwatch(_ service: Service) {
    let all: [Timer] = [
      .startDeadline(service), .watchdog(service), .probe(service), .grace(service),
      .steady(service),
    ]
    for timer in all { timers.cancel(timer) }
    services[service].probe = nil
    settleProbeOrders(service, false)
  }

  mutating func becameSteady(_ service: Service) {
    services[service].faults = 0
    services[service].recentFaults = []
    services[service].isFlapping = false
  }

  // MARK: Silence

  mutating func heard(_ service: Service, _ number: Int, _ report: Report) {
    if let inFlight = report.inFlight {
      services[service].update(number) { $0.inFlight = inFlight }
    }
    guard services[service].currentNumber == number else { return }
    if report.isHeartbeat {
      if services[service].state == .ready {
        timers.set(.watchdog(service), now.adding(seconds: Limits.watchdogSeconds))
      } else if services[service].state == .unhealthy {
        services[service].update(number) { $0.isHeardAgain = true }
        recoverIfGood(service)
      }
    }
    if service == .core { heardOfVendor(report) }
  }

  mutating func complain(_ service: Service, _ reason: Reason) {
    guard services[service].state == .ready, let number = services[service].currentNumber else {
      return
    }
    services[service].update(number) {
      $0.complaint = reason
      $0.isHeardAgain = !service.notifies
      $0.isProvedAgain = false
    }
    timers.cancel(.watchdog(service))
    timers.cancel(.steady(service))
    timers.set(.grace(service), now.adding(seconds: Limits.graceSeconds))
    services[service].lastReason = reason
    move(service, to: .unhealthy, on: .silent)
    if services[service].probe == nil { beginProbe(service) }
  }

  private mutating func recoverIfGood(_ service: Service) {
    guard services[service].state == .unhealthy, let number = services[service].currentNumber,
      let current = services[service].current, current.isHeardAgain, current.isProvedAgain
    else { return }
    services[service].update(number) { $0.failedProbes = 0 }
    timers.cancel(.grace(service))
    move(service, to: .ready, on: .recovered)
    watch(service)
    timers.set(.steady(service), now.adding(seconds: Limits.steadySeconds))
  }

  mutating func gracePassed(_ service: Service) {
    guard services[service].state == .unhealthy, let current = services[service].current else {
      return
    }
    unwatch(service)
    services[service].isFaultStop = true
    // Hung, so it cannot drain.
    kill(service, current.number, current.complaint)
    move(service, to: .stopping, on: .graceOver)
  }
}
