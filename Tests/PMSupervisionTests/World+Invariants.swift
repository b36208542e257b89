import PMWire

@testable import PMSupervision

/// What must hold after every step.
extension World {
  mutating func checkStep(_ before: Supervision, _ event: Event, _ effects: [Effect]) {
    if effects.count > Limits.effectsMax { fail("\(effects.count) effects") }
    if isBound, machine.gate != .passed, !machine.settings.isDevelopment, !machine.isBinding {
      fail("listening at gate \(machine.gate)")
    }
    for service in Service.allCases { check(service) }
    for effect in effects {
      guard case .spawn(let service, let number) = effect else { continue }
      if number <= before[service].lastNumber { fail("\(service) \(number) is not new") }
      if before[service].state == .barred, before[service].pendingSpawn == nil, !event.isOrder {
        fail("\(service) spawned while barred")
      }
    }
    for (key, count) in recorded where count != 1 || !ended.contains(key) {
      fail("\(key) recorded \(count) times")
    }
    for key in ended where recorded[key] == nil { fail("\(key) ended without a record") }
    if hasLeft, !living.isEmpty { fail("left with \(living.count) alive") }
  }

  private mutating func check(_ service: Service) {
    let supervised = machine[service]
    let generations = supervised.generations
    if generations.count > Limits.generationsMax { fail("\(service) has \(generations.count)") }
    if generations.count(where: { $0.phase == .draining }) > 1 { fail("\(service) drains twice") }
    if let reason = stuck(service, supervised) {
      fail("\(service) is \(supervised.state) and waits for nothing: \(reason)")
    }
    for generation in generations where generation.phase == .dying {
      if !machine.timers.isArmed(.kill(service, generation.number)), !hasLeft {
        fail("\(service) \(generation.number) was killed once only")
      }
    }
  }

  /// In each state something must be armed that leads out of it.
  private func stuck(_ service: Service, _ supervised: Supervised) -> String? {
    if hasLeft { return nil }
    func needs(_ timer: Timer) -> String? { machine.timers.isArmed(timer) ? nil : "\(timer)" }
    let number = supervised.currentNumber ?? 0
    switch supervised.state {
    case .starting: return needs(.startDeadline(service))
    case .ready:
      if supervised.pendingSpawn != nil { return nil }
      return needs(.probe(service)) ?? (service.notifies ? needs(.watchdog(service)) : nil)
    case .unhealthy: return needs(.grace(service)) ?? needs(.probe(service))
    case .draining:
      return service == .vendor && machine.timers.isArmed(.vendorDrain)
        ? nil : needs(.drain(service, number))
    case .stopping: return needs(.kill(service, number))
    case .backingOff: return supervised.pendingSpawn == nil ? needs(.retry(service)) : nil
    case .off, .barred: return nil
    }
  }

  mutating func fail(_ text: String) {
    if failures.count < 5 { failures.append("at \(now.milliseconds): \(text)") }
  }
}

extension Event {
  var isOrder: Bool {
    if case .order = self { return true }
    return false
  }
}
