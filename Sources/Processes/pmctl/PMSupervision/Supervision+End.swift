internal import PMWire

/// How generations end, and what comes after.
extension Supervision {
  // MARK: Asking and killing

  /// Asks one generation to finish and leave. One that drains already is killed: at most one does.
  mutating func ask(_ service: Service, _ number: Int, _ reason: Reason) {
    for other in services[service].generations
    where other.phase == .draining && other.number != number {
      kill(service, other.number, reason)
    }
    services[service].update(number) {
      $0.phase = .draining
      $0.cause = reason
    }
    if service == .vendor {
      drainVendor()
    } else {
      timers.set(.drain(service, number), now.adding(seconds: Limits.drainSeconds))
      effects.append(.askToLeave(service, number))
    }
  }

  mutating func kill(_ service: Service, _ number: Int, _ reason: Reason) {
    guard services[service].generations.contains(where: { $0.number == number }) else { return }
    services[service].update(number) {
      $0.phase = .dying
      $0.cause = $0.cause ?? reason
    }
    timers.cancel(.drain(service, number))
    timers.set(.kill(service, number), now.adding(seconds: Limits.killRepeatSeconds))
    effects.append(.kill(service, number))
  }

  mutating func drainDeadlinePassed(_ service: Service, _ number: Int) {
    kill(service, number, .shutdown)
    if services[service].currentNumber == number, services[service].state == .draining {
      move(service, to: .stopping, on: .drainDeadline)
    }
  }

  /// Ends a service for a reason that is not a fault, from whatever state it is in.
  mutating func stop(_ service: Service, _ trigger: Transition.Trigger, _ reason: Reason) {
    switch services[service].state {
    case .starting:
      guard let current = services[service].currentNumber else { return }
      unwatch(service)
      kill(service, current, reason)
      if let old = services[service].oldServing {
        services[service].currentNumber = old.number
        ask(service, old.number, reason)
        move(service, to: .draining, on: trigger)
      } else {
        move(service, to: .stopping, on: trigger)
      }
    case .ready, .unhealthy:
      guard let current = services[service].currentNumber else { return }
      unwatch(service)
      move(service, to: .draining, on: trigger)
      ask(service, current, reason)
    case .backingOff, .barred:
      timers.cancel(.retry(service))
      services[service].pendingSpawn = nil
      services[service].retryAt = nil
      services[service].currentNumber = nil
      move(service, to: .off, on: trigger)
    case .off, .draining, .stopping: break
    }
  }

  // MARK: Exits

  mutating func exited(_ service: Service, _ number: Int, _ exit: Exit) {
    guard let index = services[service].generations.firstIndex(where: { $0.number == number })
    else { return }
    let generation = services[service].generations.remove(at: index)
    timers.cancel(.drain(service, number))
    timers.cancel(.kill(service, number))
    let reason = generation.cause ?? exit.reason
    effects.append(
      .record(
        .ended(
          Death(
            service: service, generation: number, reason: reason, exit: exit,
            upMilliseconds: now.millisecondsSince(generation.bornAt),
            inFlight: generation.inFlight))))
    if service == .core, services[.vendor].state == .draining { interruptVendor() }
    guard services[service].currentNumber == number else { return }
    services[service].lastReason = reason
    currentExited(service, exit)
  }

  private mutating func currentExited(_ service: Service, _ exit: Exit) {
    let trigger: Transition.Trigger = exit.isPermanent ? .exitedPermanent : .exitedTransient
    switch services[service].state {
    case .starting:
      startFailed(service, trigger, exit.reason, exit)
    case .ready, .unhealthy:
      unwatch(service)
      services[service].currentNumber = nil
      if exit.isPermanent { bar(service) } else { backOff(service, trigger, exit) }
    case .draining, .stopping:
      services[service].currentNumber = nil
      afterLeaving(service, exit)
    case .off, .backingOff, .barred: break
    }
  }

  private mutating func afterLeaving(_ service: Service, _ exit: Exit) {
    if services[service].isFaultStop, mayRun(service) {
      services[service].isFaultStop = false
      backOff(service, .exitedAsked, exit)
    } else if mayRun(service), hasRoom(service) {
      spawn(service, .exitedAsked)
    } else {
      services[service].isFaultStop = false
      // It was its turn once already; if it is to come back, then at once.
      services[service].isTurnOver = services[service].isWanted
      move(service, to: .off, on: .exitedAsked)
    }
  }

  mutating func startDeadlinePassed(_ service: Service) {
    guard services[service].state == .starting, let number = services[service].currentNumber else {
      return
    }
    kill(service, number, .startDeadline)
    startFailed(service, .startDeadline, .startDeadline, nil)
  }

  /// A generation did not become ready. If the old one still serves, it is current again.
  private mutating func startFailed(
    _ service: Service, _ trigger: Transition.Trigger, _ reason: Reason, _ exit: Exit?
  ) {
    unwatch(service)
    services[service].lastReason = reason
    services[service].replacedFor = nil
    if let old = services[service].oldServing {
      services[service].currentNumber = old.number
      move(service, to: .ready, on: trigger)
      watch(service)
      timers.set(.steady(service), now.adding(seconds: Limits.steadySeconds))
      settleStartOrders(service, .keptOld(reason))
    } else {
      services[service].currentNumber = nil
      if trigger == .exitedPermanent { bar(service) } else { backOff(service, trigger, exit) }
      settleStartOrders(service, .failed(reason))
    }
  }

  private mutating func bar(_ service: Service) {
    if services[service].faultAt == nil { services[service].faultAt = now }
    move(service, to: .barred, on: .exitedPermanent)
  }

  /// Waits before the next attempt: `min(30 s, 0.5 s * 2^n)`, a tenth more or less.
  private mutating func backOff(
    _ service: Service, _ trigger: Transition.Trigger, _ exit: Exit?
  ) {
    if services[service].faultAt == nil { services[service].faultAt = now }
    let exponent = UInt64(min(services[service].faults, 16))
    var delay = min(Limits.backOffMilliseconds << exponent, Limits.backOffMillisecondsMax)
    let spread = delay * Limits.jitterPercent / 100
    delay = delay - spread + UInt64.random(in: 0...spread * 2, using: &random)
    if case .slowToHeal = exit { delay = max(delay, Limits.slowHealSeconds * 1000) }
    services[service].faults += 1
    services[service].retryAt = now.adding(milliseconds: delay)
    noteFault(service)
    move(service, to: .backingOff, on: trigger)
    timers.set(.retry(service), now.adding(milliseconds: delay))
  }

  /// Many faults change what is reported, never whether it is tried again.
  private mutating func noteFault(_ service: Service) {
    let now = now
    services[service].recentFaults.removeAll {
      now.millisecondsSince($0) > Limits.steadySeconds * 1000
    }
    services[service].recentFaults.append(now)
    guard services[service].recentFaults.count >= Limits.flappingExits else { return }
    services[service].recentFaults.removeFirst()
    if services[service].isFlapping { return }
    services[service].isFlapping = true
    effects.append(.record(.flapping(service)))
  }

  // MARK: Shutdown

  mutating func terminate() {
    guard !isLeaving else { return }
    isLeaving = true
    effects.append(.announceStopping)
    for timer: Timer in [.gateRetry, .gateRecheck, .bindRetry, .path] { timers.cancel(timer) }
    pathProbe = nil
    for service in Service.allCases {
      services[service].isWanted = false
      timers.cancel(.turn(service))
    }
    timers.set(.shutdown, now.adding(seconds: Limits.shutdownSecondsMax))
  }

  /// Edge first, so that nothing new comes in; then one after the other.
  mutating func continueShutdown() {
    for service in [Service.edge, .admin, .core, .vendor] {
      if services[service].state == .off && services[service].generations.isEmpty { continue }
      stop(service, .shutdown, .shutdown)
      if services[service].state != .off || !services[service].generations.isEmpty { return }
    }
    guard !hasLeft else { return }
    hasLeft = true
    for order in orders { answer(order.id, .refused(.shuttingDown)) }
    timers = Timers()
    effects.append(.leave)
  }

  mutating func shutdownDeadlinePassed() {
    for service in Service.allCases {
      for generation in services[service].generations where generation.phase != .dying {
        kill(service, generation.number, .shutdown)
      }
      switch services[service].state {
      case .starting, .ready, .unhealthy, .draining:
        unwatch(service)
        move(service, to: .stopping, on: .shutdownDeadline)
      case .off, .stopping, .backingOff, .barred: break
      }
    }
  }
}
