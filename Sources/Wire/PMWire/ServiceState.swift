/// The states of a service, by the words that status, log and admin page show.
public enum ServiceState: String, CaseIterable, Sendable {
  case off, starting, ready, unhealthy, draining, stopping, barred
  case backingOff = "backing-off"
}

/// Why a process ended or was ended.
public enum Reason: Equatable, Sendable {
  case exitCode(Int32)
  case signal(Int32)
  case outOfMemory
  case startDeadline
  case watchdog
  case probe
  /// Ordered by the user with this uid.
  case `operator`(uid: UInt32)
  /// pmctl itself was asked to leave.
  case shutdown
  /// Its configuration changed by `reload`.
  case reload
  case gate
  /// The TLS key changed, and an edge has one key for life.
  case key
  /// The program's bytes are not those that the configuration pins.
  case digest

  /// False if the end was wanted by somebody.
  public var isFault: Bool {
    switch self {
    case .operator, .shutdown, .reload, .gate, .key: false
    case .exitCode, .signal, .outOfMemory, .startDeadline, .watchdog, .probe, .digest: true
    }
  }

  /// One word, and a number where there is one: `signal 11`.
  public var text: String {
    switch self {
    case .exitCode(let code): "exit \(code)"
    case .signal(let number): "signal \(number)"
    case .outOfMemory: "out-of-memory"
    case .startDeadline: "start-deadline"
    case .watchdog: "watchdog"
    case .probe: "probe"
    case .operator(let uid): "operator \(uid)"
    case .shutdown: "shutdown"
    case .reload: "reload"
    case .gate: "gate"
    case .key: "key"
    case .digest: "digest"
    }
  }
}

/// What became of an order.
public enum Outcome: String, CaseIterable, Sendable {
  case done, refused, failed
  /// The new generation did not become ready; the old one serves on.
  case keptOld = "kept-old"
  case timedOut = "timed-out"

  public var exitCode: Int32 {
    switch self {
    case .done: ExitCode.done
    case .failed: ExitCode.failed
    case .refused: ExitCode.refused
    case .timedOut: ExitCode.timedOut
    case .keptOld: ExitCode.keptOld
    }
  }
}

/// What the supervisor as a whole has to say.
public enum Overall: String, CaseIterable, Sendable {
  case ready, degraded
  case gateShut = "gate-shut"
  case nothingRuns = "nothing-runs"

  public var exitCode: Int32 {
    switch self {
    case .ready: ExitCode.done
    case .degraded: ExitCode.degraded
    case .gateShut: ExitCode.gateShut
    case .nothingRuns: ExitCode.nothingRuns
    }
  }
}

/// Where the gate stands. A token is one of the closed set of PMAttest.
public enum GateState: Equatable, Sendable {
  /// No verdict yet.
  case pending
  case passed
  /// Development profile: nothing was asked, and everything says so.
  case notAttested
  case refused(token: String)
  case unavailable(token: String)

  /// The word that status shows.
  public var text: String {
    switch self {
    case .pending: "pending"
    case .passed: "passed"
    case .notAttested: "not attested"
    case .refused: "refused"
    case .unavailable: "unavailable"
    }
  }

  public var token: String? {
    switch self {
    case .refused(let token), .unavailable(let token): token
    case .pending, .passed, .notAttested: nil
    }
  }
}

/// What core says of the vendor's program.
public enum VendorHealth: String, CaseIterable, Sendable {
  case starting, up, stalled, failing, draining, down
  case keyRejected = "key-rejected"
}
