internal import PMLog
internal import PMWire

// The closed words of the log, as literals: PMLog takes nothing that was made at run time.

extension Service {
  var word: StaticWord {
    switch self {
    case .vendor: "vendor"
    case .core: "core"
    case .edge: "edge"
    case .admin: "admin"
    }
  }
}

extension ServiceState {
  var word: StaticWord {
    switch self {
    case .off: "off"
    case .starting: "starting"
    case .ready: "ready"
    case .unhealthy: "unhealthy"
    case .draining: "draining"
    case .stopping: "stopping"
    case .barred: "barred"
    case .backingOff: "backing-off"
    }
  }
}

extension Reason {
  /// The word without its number.
  var word: StaticWord {
    switch self {
    case .exitCode: "exit"
    case .signal: "signal"
    case .outOfMemory: "out-of-memory"
    case .startDeadline: "start-deadline"
    case .watchdog: "watchdog"
    case .probe: "probe"
    case .operator: "operator"
    case .shutdown: "shutdown"
    case .reload: "reload"
    case .gate: "gate"
    case .key: "key"
    case .digest: "digest"
    }
  }

  var code: Int32? {
    switch self {
    case .exitCode(let code), .signal(let code): code
    case .operator(let uid): Int32(truncatingIfNeeded: uid)
    case .outOfMemory, .startDeadline, .watchdog, .probe, .shutdown, .reload, .gate, .key,
      .digest:
      nil
    }
  }
}

extension Phase {
  var word: StaticWord {
    switch self {
    case .starting: "starting"
    case .serving: "serving"
    case .draining: "draining"
    case .storeOpen: "store.open"
    case .meterWrite: "meter.write"
    case .certificateRead: "certificate.read"
    case .keysImport: "keys.import"
    }
  }
}

extension GateState {
  var word: StaticWord {
    switch self {
    case .pending: "pending"
    case .passed: "passed"
    case .notAttested: "not attested"
    case .refused: "refused"
    case .unavailable: "unavailable"
    }
  }
}

extension ControlVerb {
  var word: StaticWord {
    switch self {
    case .status: "status"
    case .why: "why"
    case .watch: "watch"
    case .logs: "logs"
    case .probe: "probe"
    case .start: "start"
    case .stop: "stop"
    case .restart: "restart"
    case .drain: "drain"
    case .reload: "reload"
    case .gate: "gate"
    case .attest: "attest"
    case .evidence: "evidence"
    }
  }
}

extension Outcome {
  var word: StaticWord {
    switch self {
    case .done: "done"
    case .refused: "refused"
    case .failed: "failed"
    case .keptOld: "kept-old"
    case .timedOut: "timed-out"
    }
  }
}
