internal import PMCrypto
internal import PMJSON
internal import PMLog
internal import PMSupervision
internal import PMSystem
internal import PMWire

/// Listens on `pmctl.sock`. Who a client is, the kernel says; what it may do, a table says.
final class ControlServer: EventSource {
  private unowned let supervisor: Supervisor
  private var connections: [ControlConnection] = []

  init(path: String, mode: UInt32, _ supervisor: Supervisor) throws(SystemError) {
    self.supervisor = supervisor
    super.init(try UnixSocket.listen(path: path, mode: mode))
  }

  override func onReady(_ readiness: Readiness) {
    switch PMSystem.accept(from: self) {
    case .connection(let socket, _): take(socket)
    case .none: break
    case .exhausted:
      supervisor.loop.setInterest(self, reading: false, writing: false)
      supervisor.loop.setDeadline(self, supervisor.loop.now.adding(seconds: 1))
    }
  }

  override func onDeadline() { supervisor.loop.setInterest(self, reading: true, writing: false) }

  private func take(_ socket: consuming OwnedDescriptor) {
    guard let peer = PeerIdentity(of: socket), let access = access(peer.uid) else {
      supervisor.journal.note(.controlRefused)
      return
    }
    // The ninth client waits for nothing: it is told by a closed connection.
    guard connections.count < ControlLimits.clientsMax else { return }
    let connection = ControlConnection(socket, supervisor, uid: peer.uid, access)
    connection.onEnd = { [unowned self] ended in connections.removeAll { $0 === ended } }
    do throws(SystemError) {
      try supervisor.loop.add(connection)
      connections.append(connection)
    } catch {}
  }

  /// Root, and in development whoever started the supervisor, may do all; admin may look.
  private func access(_ uid: UInt32) -> ControlAccess? {
    let roles = supervisor.configuration.control
    let isDevelopment = supervisor.configuration.profile == .development
    if uid == 0 || roles.adminUIDs.contains(uid) { return .admin }
    if isDevelopment, uid == PeerIdentity.ownUID { return .admin }
    if roles.operatorUIDs.contains(uid) { return .operate }
    if roles.readerUIDs.contains(uid) { return .read }
    return Account(named: Role.admin.account)?.uid == uid ? .read : nil
  }

  func tellWatchers(_ service: Service, _ number: Int, _ state: ServiceState) {
    for connection in connections { connection.tellChange(service, number, state) }
  }
}

/// One client: lines in, lines out.
final class ControlConnection: StreamSource {
  private unowned let supervisor: Supervisor
  private let uid: UInt32
  private let access: ControlAccess
  private var input = ByteBuffer()
  private var openRequests = 0
  private var watching: Int64?
  var onEnd: (ControlConnection) -> Void = { _ in }

  init(
    _ socket: consuming OwnedDescriptor, _ supervisor: Supervisor, uid: UInt32,
    _ access: ControlAccess
  ) {
    (self.supervisor, self.uid, self.access) = (supervisor, uid, access)
    super.init(consume socket, in: supervisor.loop)
  }

  override func onReadable() {
    switch receive(into: &input, upTo: ControlLimits.lineBytesMax) {
    case .bytes: takeLines()
    case .wouldBlock: break
    case .ended, .failed: close()
    }
  }

  override func onClosed() { onEnd(self) }

  private func takeLines() {
    while !isClosed, let line = nextLine() {
      do throws(ControlRequest.Fault) {
        take(try ControlRequest(line: line))
      } catch {
        // Without an id that can be trusted, the answer goes to request 0.
        end(0, ControlOutcome(.refused, reason: error.rawValue), isCounted: false)
      }
    }
    if input.count > ControlLimits.lineBytesMax { close() }
  }

  private func nextLine() -> [UInt8]? {
    let bytes = Array(copying: input.span)
    guard let end = bytes.firstIndex(of: 0x0A), end <= ControlLimits.lineBytesMax else {
      return nil
    }
    input.consume(end + 1)
    return Array(bytes[..<end])
  }

  private func take(_ request: ControlRequest) {
    let id = request.id
    guard request.verb.access <= access else {
      return end(id, ControlOutcome(.refused, reason: "not-permitted"), isCounted: false)
    }
    guard openRequests < ControlLimits.requestsPerClientMax else {
      return end(id, ControlOutcome(.refused, reason: "busy"), isCounted: false)
    }
    openRequests += 1
    switch request.verb {
    case .status:
      say(id, ["status": supervisor.status.json])
      end(id, ControlOutcome(.done))
    case .why:
      for record in supervisor.tally.records(of: request.service ?? .core) {
        say(id, ["record": .object(record)])
      }
      end(id, ControlOutcome(.done))
    case .logs:
      for line in supervisor.journal.lines { say(id, ["line": .string(line)]) }
      end(id, ControlOutcome(.done))
    case .attest:
      for line in supervisor.attestation { say(id, line) }
      end(id, ControlOutcome(.done))
    case .evidence: sendDocument(id)
    case .watch: watching = id
    case .probe, .start, .stop, .restart, .drain, .reload, .gate:
      supervisor.give(
        request, uid: uid, onProgress: { [weak self] in self?.say(id, $0) },
        onOutcome: { [weak self] in self?.end(id, $0) })
    }
  }

  /// The document that the gate judged last, as an edge gets one.
  private func sendDocument(_ id: Int64) {
    guard let document = supervisor.gatekeeper.standing?.document else {
      return end(id, ControlOutcome(.failed, reason: EvidenceReply.Refusal.unavailable.rawValue))
    }
    let size = EvidenceLimits.pieceBytesMax
    for (index, start) in stride(from: 0, to: document.count, by: size).enumerated() {
      let piece = document[start..<min(document.count, start + size)]
      say(id, ["part": .integer(Int64(index)), "data": .string(Base64.text(Array(piece).span))])
    }
    end(id, ControlOutcome(.done))
  }

  func tellChange(_ service: Service, _ number: Int, _ state: ServiceState) {
    guard let watching else { return }
    say(
      watching,
      [
        "service": .string(service.rawValue), "generation": .integer(Int64(number)),
        "state": .string(state.rawValue),
      ])
  }

  private func say(_ id: Int64, _ members: JSONObject) {
    var object: JSONObject = ["id": .integer(id)]
    for member in members.members { object[member.name] = member.value }
    send(.object(object))
  }

  private func end(_ id: Int64, _ outcome: ControlOutcome, isCounted: Bool = true) {
    if isCounted { openRequests -= 1 }
    send(outcome.reply(to: id))
  }

  /// A client that does not read is dropped.
  private func send(_ value: JSONValue) {
    if isClosed { return }
    guard queuedBytes < ControlLimits.outputBytesMax else { return close() }
    write(Array((value.text + "\n").utf8).span)
  }
}
