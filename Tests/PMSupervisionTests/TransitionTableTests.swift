import PMWire
import Testing

@testable import PMSupervision

@Suite struct TransitionTableTests {
  struct Start {
    let name: String
    let service: Service
    var scene: Scene
  }

  struct Step: Hashable {
    let from: ServiceState
    let trigger: Transition.Trigger
    let to: ServiceState
  }

  /// Every way into every state.
  static func starts(_ service: Service) -> [Start] {
    let ready = Scene.allReady()
    var starts = [Start(name: "ready", service: service, scene: ready)]
    func add(_ name: String, _ change: (inout Scene) -> Void) {
      var scene = ready
      change(&scene)
      starts.append(Start(name: name, service: service, scene: scene))
    }
    add("stopped") {
      $0.order(.stop(service))
      $0.exit(service, .code(0))
    }
    add("unhealthy") { $0.machine.complain(service, .watchdog) }
    add("draining to stop") { $0.order(.stop(service)) }
    add("backing off") { $0.exit(service, .signal(11)) }
    add("barred") { $0.exit(service, .code(78)) }
    add("starting") {
      $0.exit(service, .signal(11))
      $0.order(.start(service))
    }
    add("stopping after a fault") {
      $0.machine.complain(service, .watchdog)
      $0.tick(.grace(service))
    }
    add("stopping after a drain") {
      $0.order(.stop(service))
      $0.tick(.drain(service, $0.number(service)))
    }
    if service.overlaps {
      add("starting beside the old") { $0.order(.restart(service)) }
    } else {
      add("draining to restart") { $0.order(.restart(service)) }
      add("stopping to restart") {
        $0.order(.restart(service))
        $0.tick(.drain(service, $0.number(service)))
      }
    }
    return starts
  }

  /// The event that a trigger stands for; nil if this state cannot meet it.
  static func apply(
    _ trigger: Transition.Trigger, to service: Service, _ scene: inout Scene
  ) -> Bool {
    let state = scene.state(service)
    let isLeaving = state == .draining || state == .stopping
    let number = scene.number(service)
    switch trigger {
    case .wanted:
      guard state == .off else { return false }
      scene.order(.start(service))
    case .claimedReady:
      guard service.notifies else { return false }
      scene.send(.claimedReady(service, number))
    case .probePassed:
      guard state != .starting || !service.notifies else {
        scene.makeReady(service)
        return true
      }
      if state == .starting {
        scene.makeReady(service)
      } else {
        scene.send(.probed(9999, passed: true))
      }
    case .exitedTransient:
      guard !isLeaving else { return false }
      scene.exit(service, .signal(11))
    case .exitedPermanent:
      guard !isLeaving else { return false }
      scene.exit(service, .code(78))
    case .exitedAsked:
      guard isLeaving else { return false }
      scene.exit(service, .code(0))
    case .startDeadline: scene.tick(.startDeadline(service))
    case .silent: scene.tick(.watchdog(service))
    case .recovered:
      scene.send(.heard(service, number, Report()))
      if state == .unhealthy { scene.passProbe(service) }
    case .graceOver: scene.tick(.grace(service))
    case .drainDeadline: scene.tick(.drain(service, number))
    case .retry: scene.tick(.retry(service))
    case .orderStart:
      // From `off` the wish is granted within the same event; that is `wanted`.
      guard state != .off else { return false }
      scene.order(.start(service))
    case .orderRestart: scene.order(.restart(service))
    case .orderStop: scene.order(.stop(service))
    case .orderDrain: scene.order(.drain(service))
    case .inputChanged:
      guard state != .off else { return false }
      scene.order(.reload(changed: [service]))
    case .ailing:
      guard service == .vendor else { return false }
      scene.tick(.vendorStall)
    case .gateShut:
      guard service == .edge else { return false }
      scene.machine.settings.isDevelopment = false
      scene.order(.gate)
      scene.send(.verdict(.refused(token: "kmsg-no-snp")))
    case .shutdown:
      guard service == .edge else { return false }
      scene.send(.terminate)
    case .shutdownDeadline: scene.tick(.shutdown)
    }
    return true
  }

  static let orders: Set<Transition.Trigger> = [
    .orderStart, .orderRestart, .orderStop, .orderDrain, .inputChanged,
  ]

  @Test func everyRowMovesAndEveryMissingPairStays() {
    var reached: Set<Step> = []
    for service in Service.allCases {
      for start in Self.starts(service) {
        for trigger in Transition.Trigger.allCases {
          var scene = start.scene
          let from = scene.state(service)
          guard Self.apply(trigger, to: service, &scene) else { continue }
          let to = scene.state(service)
          let listed = Transition.targets(from: from, on: trigger)
          let what = "\(service), \(start.name), \(trigger): \(from) to \(to)"
          if listed.isEmpty {
            #expect(to == from, "\(what)")
            if Self.orders.contains(trigger) {
              #expect(scene.answers == [.refused(.state(from))], "\(what)")
            }
          } else {
            #expect(listed.contains(to), "\(what)")
            reached.insert(Step(from: from, trigger: trigger, to: to))
          }
        }
      }
    }
    for row in Transition.table {
      for from in row.from {
        for to in row.to where !Self.isReachedElsewhere(from, row.trigger, to) {
          #expect(
            reached.contains(Step(from: from, trigger: row.trigger, to: to)),
            "\(from) \(row.trigger) \(to) was never seen")
        }
      }
    }
  }

  /// Targets that exist for one event only in the middle of it.
  static func isReachedElsewhere(
    _ from: ServiceState, _ trigger: Transition.Trigger, _ to: ServiceState
  ) -> Bool {
    trigger == .orderStart && from == .off
  }
}
