internal import PMAttest
internal import PMCrypto
internal import PMJSON
internal import PMLog
internal import PMSupervision
internal import PMSystem
internal import PMWire

/// Effects, one by one.
extension Supervisor {
  func apply(_ effect: Effect) {
    switch effect {
    case .appraise: appraise()
    case .bind: bind()
    case .closeListeners:
      if listeners.closePublic() { journal.note(.listenersClosed) }
    case .spawn(let service, let number): spawn(service, number)
    case .askToLeave(let service, let number):
      child(service, number)?.handle.send(
        signal: service == .vendor ? Self.interrupt : Self.terminate)
    case .kill(let service, let number): child(service, number)?.kill()
    case .probe(let probe): run(probe)
    case .tell(let service, let number, let instruction): child(service, number)?.tell(instruction)
    case .adopt(let id): adopt(id)
    case .answer(let id, let answer): finish(id, answer)
    case .progress(let id, let service, let number, let state):
      orders.progress(id, service, number, state)
    case .changed(let service, let number, let state):
      journal.note(.state(service: service.word, generation: number, state: state.word))
      control?.tellWatchers(service, number, state)
      systemd?.send(["STATUS=\(statusLine)"])
    case .record(let record): note(record)
    case .announceReady: systemd?.send(["READY=1", "STATUS=\(statusLine)"])
    case .announceStopping: systemd?.send(["STOPPING=1"])
    case .leave: leave()
    }
  }

  private static let terminate: Int32 = 15
  /// SIGTERM would kill the vendor's program at once.
  private static let interrupt: Int32 = 2

  private func child(_ service: Service, _ number: Int) -> Child? {
    children.first { $0.service == service && $0.number == number }
  }

  private var statusLine: String {
    if let token = machine.gate.token { return "gate: \(token)" }
    let states = Service.allCases.map { "\($0.rawValue) \(machine[$0].state.rawValue)" }
    return states.joined(separator: ", ")
  }

  // MARK: Gate and listeners

  private func appraise() {
    let formerKey = gatekeeper.standing?.key
    gatekeeper.run(file) { [unowned self] token in
      guard let token else {
        feed(.verdict(.passed))
        if isEdgeKeyPast(formerKey) { feed(.keyChanged) }
        return
      }
      if token.isRetryable {
        feed(.verdict(.unavailable(token: token.rawValue)))
      } else {
        gatekeeper.forget()
        feed(.verdict(.refused(token: token.rawValue)))
      }
    }
  }

  /// True if the gate has just proved another key than the edge was started with, or the same in
  /// another place. An edge that is away may be so because its key was not the proved one.
  private func isEdgeKeyPast(_ formerKey: Digest256?) -> Bool {
    let edge = machine[.edge].currentNumber.flatMap { child(.edge, $0) }
    if let source = edge?.keySource, source != configuration.tls.keySource { return true }
    return (edge?.evidence?.key ?? formerKey) != gatekeeper.standing?.key
  }

  private func bind() {
    do throws(Listeners.Failure) {
      try listeners.open(configuration)
      journal.note(
        .listening(https: configuration.listen.https, http: configuration.listen.http))
      feed(.bound(true))
    } catch {
      journal.note(.listenFailed(port: error.port, errno: error.errno))
      feed(.bound(false))
    }
  }

  // MARK: Children

  private func spawn(_ service: Service, _ number: Int) {
    do throws(Launcher.Fault) {
      let credentials = Credentials(configuration, secrets)
      let child = try launcher.start(
        service, number, configuration, listeners, credentials,
        provenKey: gatekeeper.standing?.key,
        onExit: { [unowned self] status in exited(service, number, status) },
        onOutput: { [unowned self] bytes in vendorWrote(number, bytes) })
      children.append(child)
      journal.note(.program(service: service.word, digest: child.digest.prefix))
      do throws(SystemError) {
        try loop.add(child.handle)
        if let output = child.output { try loop.add(output) }
        if let end = child.evidenceEnd, let key = gatekeeper.standing?.key {
          let evidence = EvidenceConnection(try end.duplicate(), in: loop, key: key, evidenceDesk)
          child.evidence = evidence
          try loop.add(evidence)
        }
      } catch {
        child.handle.end()
        loop.remove(child.handle)
        children.removeAll { $0 === child }
        throw .system(error)
      }
    } catch {
      feed(.exited(service, number, note(error, service)))
    }
  }

  /// What a failed start counts as.
  private func note(_ fault: Launcher.Fault, _ service: Service) -> Exit {
    switch fault {
    case .program(.unreadable(let errno)):
      journal.note(.programRefused(service: service.word, fault: "unreadable", errno: errno))
      return .code(ExitCode.configuration)
    case .program(let fault):
      let word: StaticWord =
        switch fault {
        case .digestDiffers: "digest-differs"
        case .notPrivate: "writable-by-others"
        case .standIn: "stand-in"
        case .unreadable, .unavailable: "unreadable"
        }
      journal.note(.programRefused(service: service.word, fault: word, errno: 0))
      return .digestDiffers
    case .noVendorKey:
      journal.note(.spawnFailed(service: service.word, step: "vendor-key", errno: 0))
      return .code(ExitCode.configuration)
    case .argumentRefused:
      journal.note(.spawnFailed(service: service.word, step: "arguments", errno: 0))
      return .code(ExitCode.configuration)
    case .system(let error):
      journal.note(.spawnFailed(service: service.word, step: "system", errno: error.number))
      return .code(ExitCode.transient)
    }
  }

  private func exited(_ service: Service, _ number: Int, _ status: PidHandle.Status) {
    hearLastWords()
    guard let index = children.firstIndex(where: { $0.service == service && $0.number == number })
    else { return }
    let child = children[index]
    child.output?.readOnce()
    let exit = child.exit(status)
    // Whatever it started goes with it.
    child.kill()
    loop.remove(child.handle)
    if let output = child.output { loop.remove(output) }
    child.evidence?.close()
    if let path = child.probePath { OwnProcess.unlink(path) }
    if let group = child.group, !ControlGroup.remove(group.path) { emptyGroups.append(group.path) }
    if let fault = child.vendorOutput.fault { journal.note(.vendorFault(fault.word)) }
    ended[key(service, number)] = child.report.phase
    children.remove(at: index)
    feed(.exited(service, number, exit))
    ended[key(service, number)] = nil
  }

  private func key(_ service: Service, _ number: Int) -> String { "\(service.rawValue) \(number)" }

  private func vendorWrote(_ number: Int, _ bytes: [UInt8]) {
    guard let child = child(.vendor, number) else { return }
    if bytes.isEmpty {
      if let output = child.output { loop.remove(output) }
      return
    }
    for meaning in child.vendorOutput.take(bytes) {
      switch meaning {
      case .event(let word): journal.note(.vendorLine(word))
      case .lostRefresh:
        journal.note(.vendorFault("refresh-lost"))
        feed(.vendorLostRefresh)
      case .counted: break
      }
    }
  }

  // MARK: Probes

  private func run(_ probe: Probe) {
    let task = OneShot(
      role: .prober, arguments: ["ask"] + question(probe.target),
      secondsMax: RuntimeLimits.probeSecondsMax)
    oneShots.run(task, configuration) { [unowned self] end in
      feed(.probed(probe.id, passed: end.code == ExitCode.done))
    }
  }

  private func question(_ target: Probe.Target) -> [String] {
    let folder = configuration.runtimeDirectory
    switch target {
    case .path:
      let path = machine[.edge].currentNumber.flatMap { child(.edge, $0)?.probePath }
      return [ProbeTarget.path.rawValue, path ?? ""]
    case .service(.edge, let number):
      return [ProbeTarget.edge.rawValue, child(.edge, number)?.probePath ?? ""]
    case .service(.core, _): return [ProbeTarget.core.rawValue, "\(folder)/\(SocketName.core)"]
    case .service(.admin, _): return [ProbeTarget.admin.rawValue, "\(folder)/\(SocketName.admin)"]
    case .service(.vendor, _):
      // In production the port must be the vendor's own: whoever else had it would get prompts.
      let owner = Credentials.owner(.vendor, configuration.profile).map { ["\($0.uid)"] } ?? []
      return [ProbeTarget.vendor.rawValue, "\(configuration.vendor.port)"] + owner
    }
  }

  // MARK: Records

  private func note(_ record: Record) {
    switch record {
    case .ended(let death):
      let phase = ended[key(death.service, death.generation)] ?? nil
      tally.add(death, phase: phase, at: .now())
      journal.note(
        .ended(
          service: death.service.word, generation: death.generation, reason: death.reason.word,
          isFault: death.reason.isFault, code: death.reason.code, phase: phase?.word,
          upMilliseconds: death.upMilliseconds,
          inFlight: death.inFlight))
    case .recovered(let recovery):
      tally.add(recovery)
      journal.note(
        .recovered(
          service: recovery.service.word, generation: recovery.generation,
          waitedMilliseconds: recovery.waitedMilliseconds,
          startedInMilliseconds: recovery.startedInMilliseconds))
    case .gate(let state):
      journal.note(.gate(state: state.word, token: state.tokenWord))
    case .flapping(let service): journal.note(.flapping(service: service.word))
    }
  }

  private func leave() {
    oneShots.killAll()
    let folder = configuration.runtimeDirectory
    for name in [SocketName.core, SocketName.coreControl, SocketName.admin, SocketName.supervisor] {
      OwnProcess.unlink("\(folder)/\(name)")
    }
    OwnProcess.unlink(launcher.notifyPath)
    loop.stop()
  }
}

extension GateState {
  fileprivate var tokenWord: StaticWord? {
    token.flatMap(FailureToken.init).map { StaticWord($0) }
  }
}
