public import PMWire

// Method: everything that happens comes in as an event with its time, everything to be done goes
// out as effects; nothing here touches the system, so every fault can be replayed from a seed.
// The machine keeps its own timers: the caller looks at `deadline` and sends `tick`.
//
// What it does not do: judge evidence, hash programs, parse messages. It trusts that an `exited`
// comes for each spawn, and defends against everything else: late, doubled, lost and foreign news.

/// The supervisor as a state machine.
public struct Supervision: Sendable {
  public internal(set) var gate: GateState = .pending
  /// The public listeners exist.
  public internal(set) var isListening = false
  /// The whole path was proved once.
  public internal(set) var isAnnounced = false
  /// What core last said of the vendor.
  public internal(set) var vendorHealth: VendorHealth?
  public internal(set) var settings: Settings

  var services: ByService<Supervised>
  var timers = Timers()
  var orders: [PendingOrder] = []
  var effects: [Effect] = []
  var random: SeededRandom
  var now: Moment

  /// Listeners existed once, so everything but edge may run.
  var hasBegun = false
  var isBinding = false
  /// The gate is open, but the public ports could not be had; it is tried again.
  public internal(set) var hasBindFailed = false
  var isAppraising = false
  var unavailableInRow: UInt64 = 0
  var isLeaving = false
  var hasLeft = false
  var lastProbe: Probe.ID = 0
  var pathProbe: Probe.ID?
  var lastCareAt: Moment?

  public init(settings: Settings, seed: UInt64, at now: Moment) {
    self.settings = settings
    self.now = now
    random = SeededRandom(state: seed)
    services = ByService(repeating: Supervised(since: now))
    for service in settings.services { services[service].isWanted = true }
  }

  /// When the next `tick` is due; nil if nothing is waited for.
  public var deadline: Moment? { timers.earliest }

  public subscript(service: Service) -> Supervised { services[service] }

  /// Takes one event and returns what is to be done, in this order. One `tick` handles one timer.
  public mutating func handle(_ event: Event, at time: Moment) -> [Effect] {
    now = max(now, time)
    effects = []
    switch event {
    case .begin: begin()
    case .verdict(let verdict): take(verdict)
    case .bound(let isBound): bound(isBound)
    case .exited(let service, let number, let exit): exited(service, number, exit)
    case .claimedReady(let service, let number): claimedReady(service, number)
    case .heard(let service, let number, let report): heard(service, number, report)
    case .probed(let id, let passed): probed(id, passed)
    case .vendorLostRefresh: vendorLostRefresh()
    case .firmwareChanged: appraise()
    case .keyChanged: keyChanged()
    case .order(let order): take(order)
    case .tick: if let timer = timers.takeDue(now) { fire(timer) }
    case .terminate: terminate()
    }
    settle()
    return effects
  }

  /// One word for all of it.
  public var overall: Overall {
    switch gate {
    case .pending, .refused, .unavailable: return .gateShut
    case .passed where hasBindFailed: return .gateShut
    case .passed, .notAttested: break
    }
    let enabled = settings.services.map { services[$0] }
    if enabled.allSatisfy({ $0.state == .off && $0.generations.isEmpty }) { return .nothingRuns }
    let isVendorUp =
      !settings.services.contains(.vendor) || vendorHealth == nil || vendorHealth == .up
    let isGood = enabled.allSatisfy { $0.state == .ready && !$0.isFlapping }
    return isGood && isVendorUp && isListening ? .ready : .degraded
  }

  mutating func fire(_ timer: Timer) {
    switch timer {
    case .startDeadline(let service): startDeadlinePassed(service)
    case .watchdog(let service): complain(service, .watchdog)
    case .probe(let service): probeTimePassed(service)
    case .grace(let service): gracePassed(service)
    case .retry(let service):
      if services[service].state == .backingOff { services[service].pendingSpawn = .retry }
    case .steady(let service): becameSteady(service)
    case .turn(let service): services[service].isTurnOver = true
    case .drain(let service, let number): drainDeadlinePassed(service, number)
    case .kill(let service, let number): kill(service, number, .shutdown)
    case .order(let id): answer(id, .timedOut)
    case .gateRetry, .gateRecheck: appraise()
    case .appraisal: take(.unavailable(token: "appraise-failed"))
    case .path: pathProbe = nil
    case .bindRetry: bind()
    case .shutdown: shutdownDeadlinePassed()
    case .vendorDrain: interruptVendor()
    case .vendorStall, .vendorQuiet, .vendorRefresh: careForVendor()
    }
  }

  /// Moves a service along the table and tells those who wait.
  mutating func move(_ service: Service, to state: ServiceState, on trigger: Transition.Trigger) {
    assert(
      Transition.targets(from: services[service].state, on: trigger).contains(state),
      "a move that the table does not list")
    services[service].state = state
    services[service].since = now
    let number = services[service].currentNumber ?? services[service].lastNumber
    effects.append(.changed(service, number, state))
    for order in orders where order.remaining.contains(service) {
      effects.append(.progress(order.id, service, number, state))
    }
  }

  /// What follows from the new state without being asked for.
  private mutating func settle() {
    if isLeaving { continueShutdown() }
    for service in Service.allCases where settings.services.contains(service) {
      if services[service].state == .off {
        services[service].pendingSpawn = mayRun(service) && isTurn(service) ? .wanted : nil
      }
      if let trigger = services[service].pendingSpawn, hasRoom(service) { spawn(service, trigger) }
    }
    provePath()
    settleOrders()
  }

  func mayRun(_ service: Service) -> Bool {
    services[service].isWanted && hasBegun && !isLeaving && (service != .edge || isListening)
  }

  /// Whether the service before this one is ready, or has been waited for.
  private mutating func isTurn(_ service: Service) -> Bool {
    guard !services[service].isTurnOver, let predecessor = service.predecessor,
      settings.services.contains(predecessor), services[predecessor].isWanted
    else { return true }
    switch services[predecessor].state {
    case .ready, .unhealthy, .barred: return true
    case .off: return false
    case .starting, .draining, .stopping, .backingOff:
      if !timers.isArmed(.turn(service)) {
        timers.set(.turn(service), now.adding(seconds: Limits.orderWaitSecondsMax))
      }
      return false
    }
  }

  /// Only edge may run twice; nothing may run without end.
  func hasRoom(_ service: Service) -> Bool {
    let count = services[service].generations.count
    return service.overlaps ? count < Limits.generationsMax : count == 0
  }

  /// Once all are ready: one request from edge to vendor, before systemd is told.
  private mutating func provePath() {
    guard !isAnnounced, !isLeaving, pathProbe == nil, !timers.isArmed(.path),
      settings.services.allSatisfy({ services[$0].state == .ready })
    else { return }
    lastProbe += 1
    pathProbe = lastProbe
    timers.set(.path, now.adding(seconds: Limits.probeAnswerSecondsMax))
    effects.append(.probe(Probe(id: lastProbe, target: .path)))
  }

  mutating func pathProbed(_ passed: Bool) {
    pathProbe = nil
    if passed {
      timers.cancel(.path)
      isAnnounced = true
      effects.append(.announceReady)
    } else {
      timers.set(.path, now.adding(seconds: Limits.probeRepeatSeconds))
    }
  }
}
