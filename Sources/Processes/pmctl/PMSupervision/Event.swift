public import PMWire

/// Everything that the machine can be told.
public enum Event: Sendable {
  /// pmctl has its lock and configuration and may begin.
  case begin
  case verdict(Verdict)
  /// Whether the listeners could be made.
  case bound(Bool)
  /// The main process of a generation has ended, or could not be started.
  case exited(Service, Int, Exit)
  /// `READY=1`: a claim, to be proved by a probe.
  case claimedReady(Service, Int)
  /// `WATCHDOG=1`, and what came with it.
  case heard(Service, Int, Report)
  case probed(Probe.ID, passed: Bool)
  /// The vendor logged that it will not refresh its secret any more.
  case vendorLostRefresh
  /// The firmware of the machine changed since the gate passed.
  case firmwareChanged
  /// The gate passed with another TLS key than the edge's.
  case keyChanged
  case order(Order)
  /// A deadline has come; see `Supervision.deadline`.
  case tick
  /// pmctl is asked to leave.
  case terminate
}

/// What the gate found.
public enum Verdict: Equatable, Sendable {
  case passed
  /// The evidence says no; only an order repeats the gate.
  case refused(token: String)
  /// Something did not answer; the gate is repeated by itself.
  case unavailable(token: String)
}

/// How a process ended.
public enum Exit: Equatable, Sendable {
  case code(Int32)
  case signal(Int32)
  /// Killed while `oom_kill` of its cgroup rose.
  case outOfMemory
  /// Never started: its bytes are not the pinned ones.
  case digestDiffers
  /// The vendor ended for something that does not heal within a minute.
  case slowToHeal(Int32)

  var reason: Reason {
    switch self {
    case .code(let code), .slowToHeal(let code): .exitCode(code)
    case .signal(let number): .signal(number)
    case .outOfMemory: .outOfMemory
    case .digestDiffers: .digest
    }
  }

  /// True if no retry heals it. Everything else does not become final, however often it happens.
  var isPermanent: Bool {
    switch self {
    case .code(ExitCode.configuration), .code(ExitCode.sandbox), .digestDiffers: true
    case .code, .signal, .outOfMemory, .slowToHeal: false
    }
  }
}

/// What a child says beside its heartbeat.
public struct Report: Sendable {
  /// Requests in flight; for core those towards the vendor.
  public var inFlight: Int?
  /// From core only.
  public var vendor: VendorHealth?
  /// False if the message was no heartbeat.
  public var isHeartbeat: Bool

  public init(inFlight: Int? = nil, vendor: VendorHealth? = nil, isHeartbeat: Bool = true) {
    self.inFlight = inFlight
    self.vendor = vendor
    self.isHeartbeat = isHeartbeat
  }
}

/// Something an operator wants, answered exactly once.
public struct Order: Sendable {
  public typealias ID = UInt64
  public enum Kind: Sendable {
    case start(Service), stop(Service), restart(Service), drain(Service), probe(Service)
    case gate
    /// A configuration was read and found good; these services are given something else by it.
    case reload(changed: Set<Service>)
  }

  public let id: ID
  public let kind: Kind
  public let uid: UInt32
  public let deadline: Moment

  public init(id: ID, kind: Kind, uid: UInt32, deadline: Moment) {
    self.id = id
    self.kind = kind
    self.uid = uid
    self.deadline = deadline
  }
}
