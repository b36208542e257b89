internal import PMJSON
internal import PMLog
internal import PMSupervision
internal import PMSystem
internal import PMWire

/// Orders that wait for an answer of the machine, and who is to be told.
struct OrderBook {
  struct Entry {
    let verb: ControlVerb
    let givenAt: Moment
    /// One line of progress, without the id.
    let onProgress: (JSONObject) -> Void
    let onOutcome: (ControlOutcome) -> Void
  }
  private var entries: [Order.ID: Entry] = [:]
  private var last: Order.ID = 0

  mutating func add(_ entry: Entry) -> Order.ID {
    last += 1
    entries[last] = entry
    return last
  }

  mutating func take(_ id: Order.ID) -> Entry? { entries.removeValue(forKey: id) }

  func progress(_ id: Order.ID, _ service: Service, _ number: Int, _ state: ServiceState) {
    guard let entry = entries[id] else { return }
    let after = Instant.now().moment.millisecondsSince(entry.givenAt)
    entry.onProgress([
      "service": .string(service.rawValue), "generation": .integer(Int64(number)),
      "state": .string(state.rawValue), "after_ms": .integer(Int64(after)),
    ])
  }
}

extension Supervisor {
  /// Takes an order of a client. `reload` first has the file checked by somebody without rights.
  func give(
    _ request: ControlRequest, uid: UInt32, onProgress: @escaping (JSONObject) -> Void,
    onOutcome: @escaping (ControlOutcome) -> Void
  ) {
    journal.note(.order(verb: request.verb.word, service: request.service?.word, uid: uid))
    let now = Instant.now().moment
    let deadline = now.adding(milliseconds: UInt64(request.deadlineMilliseconds))
    if request.verb == .reload { return reload(uid: uid, deadline: deadline, onOutcome) }
    guard let kind = request.kind else {
      return onOutcome(ControlOutcome(.failed, reason: ControlRequest.Fault.malformed.rawValue))
    }
    let id = orders.add(
      .init(verb: request.verb, givenAt: now, onProgress: onProgress, onOutcome: onOutcome))
    feed(.order(Order(id: id, kind: kind, uid: uid, deadline: deadline)))
  }

  func finish(_ id: Order.ID, _ answer: Answer) {
    candidates[id] = nil
    guard let entry = orders.take(id) else { return }
    let outcome = answer.outcome
    journal.note(.outcome(verb: entry.verb.word, outcome: outcome.outcome.word))
    entry.onOutcome(outcome)
  }

  // MARK: Reload

  func reload(
    uid: UInt32, deadline: Moment, _ onOutcome: @escaping (ControlOutcome) -> Void
  ) {
    let check = OneShot(
      role: .prober, arguments: ["check", "--configuration", configurationPath],
      secondsMax: RuntimeLimits.checkSecondsMax)
    oneShots.run(check, configuration) { [unowned self] end in
      guard end.code == ExitCode.done, let file = try? ConfigurationFile(configurationPath) else {
        journal.note(.configurationRefused)
        return onOutcome(ControlOutcome(.failed, reason: "configuration"))
      }
      propose(file, uid, deadline, onOutcome)
    }
  }

  private func propose(
    _ file: ConfigurationFile, _ uid: UInt32, _ deadline: Moment,
    _ onOutcome: @escaping (ControlOutcome) -> Void
  ) {
    let candidate = file.configuration
    // These are fixed for the life of the process: listeners and paths are in use.
    guard candidate.profile == configuration.profile, candidate.listen == configuration.listen,
      candidate.runtimeDirectory == configuration.runtimeDirectory,
      candidate.stateDirectory == configuration.stateDirectory,
      candidate.programDirectory == configuration.programDirectory
    else { return onOutcome(ControlOutcome(.refused, reason: "needs-restart-of-pmctl")) }
    var changed = Set(Service.allCases.filter { isChanged($0, candidate) })
    // A new key serves only once the gate has proved it; its verdict renews the edge.
    let isKeyNew = candidate.tls.keySource != configuration.tls.keySource
    if configuration.profile == .production, isKeyNew {
      changed.remove(.edge)
    }
    let now = Instant.now().moment
    let id = orders.add(
      .init(verb: .reload, givenAt: now, onProgress: { _ in }, onOutcome: onOutcome))
    candidates[id] = file
    feed(.order(Order(id: id, kind: .reload(changed: changed), uid: uid, deadline: deadline)))
  }

  private func isChanged(_ service: Service, _ candidate: Configuration) -> Bool {
    switch service {
    case .vendor: candidate.vendor != configuration.vendor
    case .admin:
      candidate.adminPasswordFile != configuration.adminPasswordFile
        || candidate.part(for: .admin) != configuration.part(for: .admin)
    case .core, .edge: candidate.part(for: service.role) != configuration.part(for: service.role)
    }
  }

  func adopt(_ id: Order.ID) {
    guard let candidate = candidates.removeValue(forKey: id) else { return }
    file = candidate
    machine.adopt(Self.settings(candidate.configuration))
  }
}

extension ControlRequest {
  /// The order that this request is; nil for questions.
  fileprivate var kind: Order.Kind? {
    if verb == .gate { return .gate }
    guard let service else { return nil }
    switch verb {
    case .start: return .start(service)
    case .stop: return .stop(service)
    case .restart: return .restart(service)
    case .drain: return .drain(service)
    case .probe: return .probe(service)
    case .status, .why, .watch, .logs, .attest, .evidence, .reload, .gate: return nil
    }
  }
}

extension Answer {
  /// The words of the protocol.
  var outcome: ControlOutcome {
    switch self {
    case .done: ControlOutcome(.done)
    case .keptOld(let reason): ControlOutcome(.keptOld, reason: reason.text)
    case .failed(let reason): ControlOutcome(.failed, reason: reason.text)
    case .refused(let refusal): ControlOutcome(.refused, reason: refusal.text)
    case .timedOut: ControlOutcome(.timedOut, reason: "deadline")
    }
  }
}

extension Refusal {
  var text: String {
    switch self {
    case .state(let state): state.rawValue
    case .gateShut: "gate-shut"
    case .busy: "busy"
    case .shuttingDown: "shutting-down"
    case .notAttested: "not-attested"
    case .notConfigured: "not-configured"
    }
  }
}
