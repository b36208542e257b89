import PMWire

/// The state table of a service, as data. The machine moves by it and refuses orders by it; the
/// README shows it; a test walks every row and every pair that is missing.
struct Transition {
  let from: Set<ServiceState>
  let trigger: Trigger
  let to: Set<ServiceState>

  enum Trigger: CaseIterable {
    case wanted, claimedReady, probePassed
    case exitedTransient, exitedPermanent, exitedAsked, startDeadline
    case silent, recovered, graceOver, drainDeadline, retry
    case orderStart, orderRestart, orderStop, orderDrain
    case inputChanged, ailing, gateShut, shutdown, shutdownDeadline
  }

  init(_ from: Set<ServiceState>, _ trigger: Trigger, _ to: Set<ServiceState>) {
    (self.from, self.trigger, self.to) = (from, trigger, to)
  }

  static let table: [Transition] = [
    .init([.off], .wanted, [.starting]),
    // Started when its turn comes; a stop takes that back.
    .init([.off], .orderStart, [.off]),
    .init([.off], .orderStop, [.off]),
    .init([.starting], .claimedReady, [.starting]),
    .init([.starting], .probePassed, [.ready]),
    .init([.starting], .exitedTransient, [.backingOff, .ready]),
    .init([.starting], .startDeadline, [.backingOff, .ready]),
    .init([.starting], .exitedPermanent, [.barred, .ready]),
    // Not yet ready, it serves nobody: it is killed. If an old generation serves, that one drains.
    .init([.starting], .orderStop, [.stopping, .draining]),
    .init([.starting], .gateShut, [.stopping, .draining]),
    .init([.starting], .shutdown, [.stopping, .draining]),
    .init([.ready], .silent, [.unhealthy]),
    .init([.unhealthy], .recovered, [.ready]),
    .init([.unhealthy], .graceOver, [.stopping]),
    .init([.ready, .unhealthy], .exitedTransient, [.backingOff]),
    .init([.ready, .unhealthy], .exitedPermanent, [.barred]),
    .init([.ready, .unhealthy], .orderRestart, [.starting, .draining]),
    .init([.ready, .unhealthy], .inputChanged, [.starting, .draining]),
    .init([.ready, .unhealthy], .orderStop, [.draining]),
    .init([.ready, .unhealthy], .orderDrain, [.draining]),
    .init([.ready, .unhealthy], .gateShut, [.draining]),
    .init([.ready, .unhealthy], .shutdown, [.draining]),
    // Core finds that the vendor does not answer though it lives.
    .init([.ready], .ailing, [.draining]),
    .init([.draining], .exitedAsked, [.off, .starting]),
    .init([.draining], .drainDeadline, [.stopping]),
    .init([.stopping], .exitedAsked, [.off, .starting, .backingOff]),
    .init([.backingOff], .retry, [.starting]),
    .init([.backingOff, .barred], .orderStart, [.starting]),
    .init([.backingOff, .barred], .orderRestart, [.starting]),
    .init([.backingOff, .barred], .inputChanged, [.starting]),
    .init([.backingOff, .barred], .orderStop, [.off]),
    .init([.backingOff, .barred], .gateShut, [.off]),
    .init([.backingOff, .barred], .shutdown, [.off]),
    .init([.starting, .ready, .unhealthy, .draining], .shutdownDeadline, [.stopping]),
  ]

  /// Where `trigger` may lead from `state`; empty if the state does not list it.
  static func targets(from state: ServiceState, on trigger: Trigger) -> Set<ServiceState> {
    var targets: Set<ServiceState> = []
    for row in table where row.trigger == trigger && row.from.contains(state) {
      targets.formUnion(row.to)
    }
    return targets
  }
}
