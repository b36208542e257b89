public import PMWire

/// One service: its state, and the generations of it that are not yet gone.
public struct Supervised: Sendable {
  public internal(set) var state: ServiceState = .off
  public internal(set) var since: Moment
  /// Whether it should run. An edge that is wanted still needs an open gate.
  public internal(set) var isWanted = false
  /// Oldest first.
  public internal(set) var generations: [Generation] = []
  /// Which of them the state speaks of.
  public internal(set) var currentNumber: Int?
  public internal(set) var lastNumber = 0
  /// Spawns after a fault.
  public internal(set) var restarts = 0
  public internal(set) var isFlapping = false
  /// Why it left its last state, if a process ended.
  public internal(set) var lastReason: Reason?
  /// When the next attempt is due, in `backing-off`.
  public internal(set) var retryAt: Moment?

  /// Why a new generation is to be started as soon as there is room for one.
  var pendingSpawn: Transition.Trigger?
  /// It has waited long enough for its predecessor.
  var isTurnOver = false
  /// Faults since it was last steady: the exponent of the back-off.
  var faults = 0
  var recentFaults: [Moment] = []
  /// When the fault happened from which it has not recovered.
  var faultAt: Moment?
  /// The probe that is under way.
  var probe: Probe.ID?
  /// Why the old generation will leave when the new one is ready.
  var replacedFor: Reason?
  /// The stop under way is the answer to a fault.
  var isFaultStop = false

  init(since: Moment) { self.since = since }

  public var current: Generation? { generations.first { $0.number == currentNumber } }

  /// Serves on while its successor starts.
  var oldServing: Generation? {
    generations.first { $0.number != currentNumber && $0.phase == .serving }
  }

  mutating func update(_ number: Int, _ change: (inout Generation) -> Void) {
    guard let index = generations.firstIndex(where: { $0.number == number }) else { return }
    change(&generations[index])
  }
}

/// One run of a service's program.
public struct Generation: Sendable {
  public enum Phase: Sendable { case starting, serving, draining, dying }

  public let number: Int
  public let bornAt: Moment
  public internal(set) var phase: Phase = .starting
  public internal(set) var inFlight = 0
  /// Why it was asked to leave or killed. Nil: its end is its own.
  var cause: Reason?
  var hasClaimed = false
  var failedProbes = 0
  /// In `unhealthy`: what was missed, and what has been made good since.
  var complaint: Reason = .watchdog
  var isHeardAgain = false
  var isProvedAgain = false

  init(number: Int, bornAt: Moment) { (self.number, self.bornAt) = (number, bornAt) }
}

/// One value per service.
struct ByService<Value: Sendable>: Sendable {
  private var values: [Value]
  init(repeating value: Value) { values = Array(repeating: value, count: Service.allCases.count) }

  subscript(service: Service) -> Value {
    get { values[Self.index(service)] }
    set { values[Self.index(service)] = newValue }
    _modify { yield &values[Self.index(service)] }
  }

  private static func index(_ service: Service) -> Int {
    switch service {
    case .vendor: 0
    case .core: 1
    case .edge: 2
    case .admin: 3
    }
  }
}
