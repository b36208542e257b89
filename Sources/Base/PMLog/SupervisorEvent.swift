/// What the supervisor logs.
public enum SupervisorEvent: Sendable {
  case started(profile: StaticWord)
  case leaving
  case gate(state: StaticWord, token: StaticWord?)
  /// What a device answered when evidence could not be had.
  case deviceFault(errno: Int32, firmware: UInt32, host: UInt32)
  case tpmFault(code: UInt32)
  case listening(https: UInt16, http: UInt16)
  case listenFailed(port: UInt16, errno: Int32)
  case listenersClosed
  case state(service: StaticWord, generation: Int, state: StaticWord)
  case ended(
    service: StaticWord, generation: Int, reason: StaticWord, isFault: Bool, code: Int32?,
    phase: StaticWord?, upMilliseconds: UInt64, inFlight: Int)
  case recovered(
    service: StaticWord, generation: Int, waitedMilliseconds: UInt64,
    startedInMilliseconds: UInt64)
  case flapping(service: StaticWord)
  case program(service: StaticWord, digest: UInt64)
  case programRefused(service: StaticWord, fault: StaticWord, errno: Int32)
  /// Development without a vendor's program: the stand-in plays it.
  case standIn
  case spawnFailed(service: StaticWord, step: StaticWord, errno: Int32)
  case order(verb: StaticWord, service: StaticWord?, uid: UInt32)
  case outcome(verb: StaticWord, outcome: StaticWord)
  /// A client of the control socket that the table does not name.
  case controlRefused
  case configurationRefused
  /// No cgroup could be made; process groups are killed instead.
  case controlGroupMissing(errno: Int32)
  /// Processes that outlived the generation that started them.
  case strangersKilled(count: Int)
  case vendorLine(StaticWord)
  case vendorFault(StaticWord)

  var record: LogRecord {
    switch self {
    case .started(let profile): LogRecord(.info, "started", [.init("profile", .word(profile))])
    case .leaving: LogRecord(.info, "leaving")
    case .gate(let state, let token):
      LogRecord(
        token == nil ? .info : .error, "gate",
        [.init("state", .word(state))] + optional("token", token))
    case .deviceFault(let errno, let firmware, let host):
      LogRecord(
        .error, "device-fault",
        [
          .number("errno", errno), .number("fw_error", firmware), .number("vmm_error", host),
        ])
    case .tpmFault(let code): LogRecord(.error, "tpm-fault", [.number("rc", code)])
    case .listening(let https, let http):
      LogRecord(.info, "listening", [.number("https", https), .number("http", http)])
    case .listenFailed(let port, let errno):
      LogRecord(.error, "listen-failed", [.number("port", port), .number("errno", errno)])
    case .listenersClosed: LogRecord(.warning, "listeners-closed")
    case .standIn: LogRecord(.warning, "stand-in-vendor")
    case .controlRefused: LogRecord(.warning, "control-refused")
    case .configurationRefused: LogRecord(.error, "configuration-refused")
    case .controlGroupMissing(let errno):
      LogRecord(.warning, "control-group-missing", [.number("errno", errno)])
    case .strangersKilled(let count):
      LogRecord(.warning, "strangers-killed", [.number("count", count)])
    case .vendorLine(let word): LogRecord(.info, "vendor-line", [.init("line", .word(word))])
    case .vendorFault(let word): LogRecord(.error, "vendor-fault", [.init("fault", .word(word))])
    case .state, .ended, .recovered, .flapping: lifeRecord
    case .program, .programRefused, .spawnFailed, .order, .outcome: actRecord
    }
  }

  /// How services come and go.
  private var lifeRecord: LogRecord {
    switch self {
    case .ended(
      let service, let generation, let reason, let isFault, let code, let phase, let up,
      let inFlight):
      LogRecord(
        isFault ? .warning : .info, "ended",
        [
          .init("service", .word(service)), .number("generation", generation),
          .init("reason", .word(reason)),
        ] + (code.map { [.number("code", $0)] } ?? []) + optional("phase", phase)
          + [.number("up_ms", up), .number("in_flight", inFlight)])
    case .recovered(let service, let generation, let waited, let startedIn):
      LogRecord(
        .info, "recovered",
        [
          .init("service", .word(service)), .number("generation", generation),
          .number("waited_ms", waited), .number("started_in_ms", startedIn),
        ])
    case .state(let service, let generation, let state):
      LogRecord(
        .info, "state",
        [
          .init("service", .word(service)), .number("generation", generation),
          .init("state", .word(state)),
        ])
    case .flapping(let service):
      LogRecord(.error, "flapping", [.init("service", .word(service))])
    default: preconditionFailure("all other cases are in `record`")
    }
  }

  /// What was tried or ordered.
  private var actRecord: LogRecord {
    switch self {
    case .programRefused(let service, let fault, let errno):
      LogRecord(
        .error, "program-refused",
        [
          .init("service", .word(service)), .init("fault", .word(fault)), .number("errno", errno),
        ])
    case .spawnFailed(let service, let step, let errno):
      LogRecord(
        .error, "spawn-failed",
        [.init("service", .word(service)), .init("step", .word(step)), .number("errno", errno)])
    case .order(let verb, let service, let uid):
      LogRecord(
        .info, "order",
        [.init("verb", .word(verb))] + optional("service", service) + [.number("uid", uid)])
    case .outcome(let verb, let outcome):
      LogRecord(
        .info, "outcome", [.init("verb", .word(verb)), .init("outcome", .word(outcome))])
    case .program(let service, let digest):
      LogRecord(
        .info, "program", [.init("service", .word(service)), .init("sha256", .digest(digest))])
    default: preconditionFailure("all other cases are in `record`")
    }
  }

  private func optional(_ name: StaticWord, _ word: StaticWord?) -> [LogField] {
    word.map { [.init(name, .word($0))] } ?? []
  }
}
