internal import PMAttest
internal import PMCrypto
internal import PMSystem
internal import PMWire

/// Answers edges that ask for evidence: one at a time, a few waiting, and slowly, so that nobody
/// outside can wear out the security processor.
final class EvidenceDesk {
  private struct Ticket {
    let request: EvidenceRequest
    let nonce: Nonce
    let deadline: Instant
    let connection: EvidenceConnection
  }

  private let gatekeeper: Gatekeeper
  /// The machine's firmware changed: the gate has to run again.
  private let onFirmwareChange: () -> Void
  private var waiting: [Ticket] = []
  private var isWorking = false
  private var pace = EvidencePace()

  init(_ gatekeeper: Gatekeeper, onFirmwareChange: @escaping () -> Void) {
    (self.gatekeeper, self.onFirmwareChange) = (gatekeeper, onFirmwareChange)
  }

  func take(_ request: EvidenceRequest, from connection: EvidenceConnection) {
    guard let nonce = Nonce(hex: request.nonce), !nonce.isZero else {
      return connection.refuse(request.id, .malformed, 0)
    }
    let now = Instant.now()
    guard waiting.count < EvidenceLimits.waitingMax, pace.take(now) else {
      return connection.refuse(request.id, .busy, pace.secondsUntilNext(now))
    }
    waiting.append(
      Ticket(
        request: request, nonce: nonce,
        deadline: now.adding(milliseconds: UInt64(request.deadlineMilliseconds)),
        connection: connection))
    work()
  }

  private func work() {
    while !isWorking, !waiting.isEmpty {
      let ticket = waiting.removeFirst()
      // Whoever left, or waited too long, costs no call.
      if ticket.connection.isClosed { continue }
      guard Instant.now() < ticket.deadline,
        let standing = gatekeeper.standing(for: ticket.connection.key)
      else {
        ticket.connection.refuse(ticket.request.id, .unavailable, Self.retrySeconds)
        continue
      }
      isWorking = true
      gatekeeper.collect(ticket.nonce, for: standing) { [unowned self] result in
        isWorking = false
        finish(ticket, standing, result)
        work()
      }
    }
  }

  /// The gate may run meanwhile.
  private static let retrySeconds = 5

  private func finish(
    _ ticket: Ticket, _ standing: Gatekeeper.Standing, _ result: DeviceThread.Result
  ) {
    switch result {
    case .collected(let body):
      let document = EvidenceDocument(
        nonce: ticket.nonce, claims: standing.preparation.claims, key: standing.key,
        chain: standing.chain, body: body)
      ticket.connection.send(document.json, ticket.request.id)
    case .firmwareChanged:
      ticket.connection.refuse(ticket.request.id, .unavailable, Self.retrySeconds)
      onFirmwareChange()
    case .failed, .seen, .prepared:
      ticket.connection.refuse(ticket.request.id, .unavailable, Self.retrySeconds)
    }
  }
}

/// One token each second, a few at once.
struct EvidencePace {
  private var tokens = Double(EvidenceLimits.burstMax)
  private var at: Instant?

  mutating func take(_ now: Instant) -> Bool {
    refill(now)
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }

  mutating func secondsUntilNext(_ now: Instant) -> Int {
    refill(now)
    let missing = max(0, 1 - tokens) / Double(EvidenceLimits.requestsPerSecond)
    return max(1, Int(missing.rounded(.up)))
  }

  private mutating func refill(_ now: Instant) {
    if let at {
      let gained = Double(now.millisecondsSince(at)) / 1000
        * Double(EvidenceLimits.requestsPerSecond)
      tokens = min(Double(EvidenceLimits.burstMax), tokens + gained)
    }
    at = now
  }
}

/// One edge's end of the socket pair. The key is the one that edge was started with.
final class EvidenceConnection: StreamSource {
  let key: Digest256
  private let desk: EvidenceDesk
  private var input = ByteBuffer()

  init(
    _ socket: consuming OwnedDescriptor, in loop: EventLoop, key: Digest256, _ desk: EvidenceDesk
  ) {
    (self.key, self.desk) = (key, desk)
    super.init(consume socket, in: loop)
  }

  override func onReadable() {
    switch receive(into: &input, upTo: EvidenceLimits.lineBytesMax) {
    case .bytes: takeLines()
    case .wouldBlock: break
    case .ended, .failed: close()
    }
  }

  private func takeLines() {
    while !isClosed {
      let bytes = input.bytes
      guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { break }
      input.consume(end + 1)
      // Only the edge writes here; one that breaks the protocol is not talked to.
      guard let request = EvidenceRequest(line: Array(bytes[..<end])) else { return close() }
      desk.take(request, from: self)
    }
    if input.count > EvidenceLimits.lineBytesMax { close() }
  }

  func refuse(_ id: Int64, _ refusal: EvidenceReply.Refusal, _ seconds: Int) {
    say(.refused(refusal, retryAfterSeconds: seconds), id)
  }

  /// Sends a document in pieces.
  func send(_ document: [UInt8], _ id: Int64) {
    var index = 0
    for start in stride(from: 0, to: document.count, by: EvidenceLimits.pieceBytesMax) {
      let end = min(document.count, start + EvidenceLimits.pieceBytesMax)
      say(.part(index, Base64.text(Array(document[start..<end]).span)), id)
      index += 1
    }
    say(.done(bytes: document.count), id)
  }

  private func say(_ reply: EvidenceReply, _ id: Int64) {
    if isClosed { return }
    // An edge that does not read has more than its requests can amount to.
    guard queuedBytes < Self.queuedBytesMax else { return close() }
    write(Array(reply.line(to: id).utf8).span)
  }

  /// A document as base64 lines, for each that may wait.
  private static let queuedBytesMax = (EvidenceLimits.waitingMax + 1) * 128 * 1024
}
