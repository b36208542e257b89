import PMWire

@testable import PMSupervision

/// A machine driven by hand, and what it wanted last.
struct Scene {
  var machine: Supervision
  var now = Moment(milliseconds: 0)
  var effects: [Effect] = []
  private var lastOrder: Order.ID = 0

  init(_ settings: Settings = Settings(isDevelopment: true)) {
    machine = Supervision(settings: settings, seed: 7, at: now)
  }

  /// Development, everything ready.
  static func allReady() -> Scene {
    var scene = Scene()
    scene.send(.begin)
    scene.send(.bound(true))
    for service in Service.allCases { scene.makeReady(service) }
    return scene
  }

  mutating func send(_ event: Event) { effects = machine.handle(event, at: now) }

  mutating func makeReady(_ service: Service) {
    if service.notifies {
      send(.claimedReady(service, number(service)))
    } else {
      tick(.probe(service))
    }
    passProbe(service)
  }

  mutating func passProbe(_ service: Service) {
    guard let id = machine[service].probe else { return }
    send(.probed(id, passed: true))
  }

  mutating func exit(_ service: Service, _ exit: Exit, generation: Int? = nil) {
    send(.exited(service, generation ?? number(service), exit))
  }

  @discardableResult mutating func order(_ kind: Order.Kind) -> Order.ID {
    lastOrder += 1
    send(.order(Order(id: lastOrder, kind: kind, uid: 7, deadline: now.adding(seconds: 600))))
    return lastOrder
  }

  /// Lets exactly this timer fire now; the others keep their time.
  mutating func tick(_ timer: Timer) {
    machine.timers.set(timer, Moment(milliseconds: 0))
    send(.tick)
  }

  /// Advances the clock, firing what comes due; collects all effects.
  mutating func wait(seconds: UInt64) {
    let end = now.adding(seconds: seconds)
    var all: [Effect] = []
    while let next = machine.deadline, next <= end {
      now = max(now, next)
      send(.tick)
      all += effects
    }
    now = end
    effects = all
  }

  func number(_ service: Service) -> Int {
    machine[service].currentNumber ?? machine[service].lastNumber
  }
  func state(_ service: Service) -> ServiceState { machine[service].state }

  var answers: [Answer] {
    effects.compactMap { if case .answer(_, let answer) = $0 { answer } else { nil } }
  }
  var deaths: [Death] {
    effects.compactMap { if case .record(.ended(let death)) = $0 { death } else { nil } }
  }
}
