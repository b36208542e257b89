internal import PMWire

/// An order that has not been answered yet.
struct PendingOrder: Sendable {
  enum Goal: Sendable, Equatable { case ready, off, probed, verdict }
  let id: Order.ID
  let goal: Goal
  let uid: UInt32
  /// Services that have not reached the goal.
  var remaining: Set<Service>
  /// For `ready`: the least generation that counts, so that the old one does not.
  var from: [Service: Int] = [:]
}

/// Orders: taken or refused by the table, answered exactly once.
extension Supervision {
  mutating func take(_ order: Order) {
    guard !isLeaving else { return refuse(order, .shuttingDown) }
    guard orders.count < Limits.ordersMax else { return refuse(order, .busy) }
    switch order.kind {
    case .start(let service): takeStart(order, service)
    case .restart(let service): takeRestart(order, service)
    case .stop(let service): takeStop(order, service, .orderStop)
    case .drain(let service): takeStop(order, service, .orderDrain)
    case .probe(let service): takeProbe(order, service)
    case .gate: takeGate(order)
    case .reload(let changed): takeReload(order, changed)
    }
  }

  private mutating func refuse(_ order: Order, _ refusal: Refusal) {
    effects.append(.answer(order.id, .refused(refusal)))
  }

  /// Whether the table lists `trigger` in the service's state; if not, the order is refused.
  private mutating func isLegal(
    _ order: Order, _ service: Service, _ trigger: Transition.Trigger
  ) -> Bool {
    guard settings.services.contains(service) else {
      refuse(order, .notConfigured)
      return false
    }
    let state = services[service].state
    if Transition.targets(from: state, on: trigger).isEmpty {
      refuse(order, .state(state))
      return false
    }
    if service == .edge, !isListening, trigger != .orderStop, trigger != .orderDrain {
      refuse(order, .gateShut)
      return false
    }
    return true
  }

  private mutating func enlist(
    _ order: Order, _ goal: PendingOrder.Goal, _ remaining: Set<Service>
  ) {
    var pending = PendingOrder(id: order.id, goal: goal, uid: order.uid, remaining: remaining)
    for service in remaining { pending.from[service] = services[service].lastNumber + 1 }
    orders.append(pending)
    timers.set(.order(order.id), order.deadline)
  }

  mutating func answer(_ id: Order.ID, _ answer: Answer) {
    guard let index = orders.firstIndex(where: { $0.id == id }) else { return }
    orders.remove(at: index)
    timers.cancel(.order(id))
    effects.append(.answer(id, answer))
  }

  // MARK: One service

  private mutating func takeStart(_ order: Order, _ service: Service) {
    guard isLegal(order, service, .orderStart) else { return }
    enlist(order, .ready, [service])
    services[service].isWanted = true
    if services[service].state != .off { spawnAgain(service, .orderStart) }
  }

  private mutating func takeRestart(_ order: Order, _ service: Service) {
    guard isLegal(order, service, .orderRestart) else { return }
    guard canRenew(service) else { return refuse(order, .busy) }
    enlist(order, .ready, [service])
    renew(service, .orderRestart, .operator(uid: order.uid))
  }

  private mutating func takeStop(
    _ order: Order, _ service: Service, _ trigger: Transition.Trigger
  ) {
    guard isLegal(order, service, trigger) else { return }
    enlist(order, .off, [service])
    services[service].isWanted = false
    services[service].isTurnOver = false
    stop(service, trigger, .operator(uid: order.uid))
  }

  private mutating func takeProbe(_ order: Order, _ service: Service) {
    guard settings.services.contains(service) else { return refuse(order, .notConfigured) }
    let state = services[service].state
    guard state == .ready || state == .unhealthy else { return refuse(order, .state(state)) }
    enlist(order, .probed, [service])
    if services[service].probe == nil { beginProbe(service) }
  }

  /// False if a new generation would have to run beside too many that are still ending.
  func canRenew(_ service: Service) -> Bool {
    !service.overlaps || services[service].current == nil || hasRoom(service)
  }

  /// Puts a new generation in the place of whatever is there.
  mutating func renew(_ service: Service, _ trigger: Transition.Trigger, _ reason: Reason) {
    switch services[service].state {
    case .ready, .unhealthy:
      guard service.overlaps else { return stop(service, trigger, reason) }
      for old in services[service].generations where old.phase == .draining {
        kill(service, old.number, reason)
      }
      unwatch(service)
      services[service].replacedFor = reason
      services[service].pendingSpawn = trigger
    case .backingOff, .barred: spawnAgain(service, trigger)
    case .off, .starting, .draining, .stopping: break
    }
  }

  private mutating func spawnAgain(_ service: Service, _ trigger: Transition.Trigger) {
    services[service].faults = 0
    services[service].pendingSpawn = trigger
  }

  // MARK: Gate and configuration

  private mutating func takeGate(_ order: Order) {
    if settings.isDevelopment { return refuse(order, .notAttested) }
    enlist(order, .verdict, [])
    appraise()
  }

  /// A service that is on its way somewhere cannot take a new configuration: nothing is adopted.
  private mutating func takeReload(_ order: Order, _ changed: Set<Service>) {
    let affected = Service.allCases.filter {
      changed.contains($0) && settings.services.contains($0)
    }
    for service in affected {
      let state = services[service].state
      if state == .off { continue }
      if Transition.targets(from: state, on: .inputChanged).isEmpty {
        return refuse(order, .state(state))
      }
      guard canRenew(service) else { return refuse(order, .busy) }
    }
    effects.append(.adopt(order.id))
    // The configuration is in the evidence, and says what is demanded of it.
    if !settings.isDevelopment { appraise(anew: true) }
    enlist(order, .ready, Set(affected.filter { services[$0].state != .off }))
    for service in affected { renew(service, .inputChanged, .reload) }
    for service in [Service.core, .edge] where !changed.contains(service) {
      guard let current = services[service].current, current.phase == .serving else { continue }
      effects.append(.tell(service, current.number, .reload))
    }
  }

  /// Installs settings that belong to an adopted configuration.
  public mutating func adopt(_ settings: Settings) { self.settings = settings }

  // MARK: Answers

  /// Answers the orders whose goal is reached or cannot be reached any more.
  mutating func settleOrders() {
    for order in orders {
      guard let index = orders.firstIndex(where: { $0.id == order.id }) else { continue }
      switch order.goal {
      case .off:
        let left = order.remaining.filter {
          services[$0].state != .off || !services[$0].generations.isEmpty
        }
        if left.isEmpty { answer(order.id, .done) }
      case .ready:
        let left = order.remaining.filter { !isReady($0, order.from[$0] ?? 0) }
        orders[index].remaining = left
        if left.isEmpty {
          answer(order.id, .done)
        } else if left.contains(where: { !services[$0].isWanted }) {
          answer(order.id, .failed(isLeaving ? .shutdown : .operator(uid: order.uid)))
        } else if left.contains(.edge), !isListening {
          answer(order.id, .failed(.gate))
        }
      case .probed, .verdict: break
      }
    }
  }

  private func isReady(_ service: Service, _ from: Int) -> Bool {
    services[service].state == .ready && (services[service].currentNumber ?? 0) >= from
  }

  /// A start has failed; whoever waits for it is told.
  mutating func settleStartOrders(_ service: Service, _ outcome: Answer) {
    for order in orders where order.goal == .ready && order.remaining.contains(service) {
      answer(order.id, outcome)
    }
  }

  mutating func settleProbeOrders(_ service: Service, _ passed: Bool) {
    for order in orders where order.goal == .probed && order.remaining.contains(service) {
      answer(order.id, passed ? .done : .failed(.probe))
    }
  }

  mutating func settleGateOrders(_ outcome: Answer) {
    for order in orders where order.goal == .verdict { answer(order.id, outcome) }
  }
}
