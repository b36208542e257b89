internal import PMHTTP
internal import PMSystem
internal import PMTLS
internal import PMWire

/// A client's connection: TLS, requests one after the other, their answers in that order.
///
///     handshake ─▶ head ─▶ body ─▶ answer ─▶ head …          closing ─▶ closed
///                    └──── local answer ────┘  any of them ─────▲
final class ClientConnection: StreamSource, RequestTaker {
  enum Phase {
    case handshake
    /// Between requests, or within a head.
    case head
    /// Within a body, which goes to the backend, or nowhere after a refusal.
    case body
    /// The request is complete, its answer is not.
    case answer
    /// The last answer is under way; nothing more is read but to be dropped.
    case closing
  }

  let edge: EdgeLoop
  let entrance: Entrance
  let peer: InternetAddress
  /// Made once: each request tells it to the backend.
  let peerText: [UInt8]
  private let session: TLSSession?
  private(set) var phase: Phase
  private let reader = RequestReader()
  /// The request in hand.
  var request = ClientRequest()
  private var backend: BackendConnection?

  init(
    _ descriptor: consuming OwnedDescriptor, from peer: InternetAddress, as entrance: Entrance,
    session: TLSSession?, of edge: EdgeLoop
  ) {
    self.edge = edge
    self.entrance = entrance
    self.peer = peer
    peerText = Array(peer.text.utf8)
    self.session = session
    phase = session == nil ? .head : .handshake
    super.init(consume descriptor, in: edge.events)
  }

  func begin() { expect(within: EdgeBounds.handshakeSecondsMax) }

  private func expect(within seconds: UInt64) {
    loop.setDeadline(self, loop.now.adding(seconds: seconds))
  }

  // MARK: Receiving

  override func onReadable() {
    edge.ciphertext.clear()
    switch receive(into: &edge.ciphertext, upTo: EdgeBounds.receiveBytesMax) {
    case .wouldBlock: return
    case .ended, .failed: close()
    case .bytes:
      guard let session else { return read(edge.ciphertext) }
      edge.plaintext.clear()
      let state = session.receive(edge.ciphertext, into: &edge.plaintext)
      flushSession()
      if isClosed { return }
      if state == .failed { return close() }
      if phase == .handshake && state != .handshaking {
        phase = .head
        expect(within: EdgeBounds.headSecondsMax)
      }
      if !edge.plaintext.isEmpty { read(edge.plaintext) }
      if state == .ended && !isClosed { close() }
    }
  }

  /// Takes what there is; what of it goes to a backend goes in one piece.
  private func read(_ received: borrowing ByteBuffer) {
    if phase == .closing { return }
    edge.outbound.clear()
    do {
      try reader.read(received.span, for: self)
    } catch {
      return refuse(error)
    }
    if isClosed { return }
    if reader.isWithinHead && !request.hasBegun {
      // The deadline of a head counts from its first byte.
      request.hasBegun = true
      expect(within: EdgeBounds.headSecondsMax)
    }
    if let backend, !edge.outbound.isEmpty {
      backend.send(edge.outbound)
      if backend.queuedBytes > EdgeBounds.queuedBytesMax { holdBack() }
    }
    if phase == .body { expectBody() }
    if reader.isFull || queuedBytes > EdgeBounds.queuedBytesMax { setReading(false) }
  }

  func requestBegan(_ head: RequestHead, _ bytes: borrowing Span<UInt8>) {
    phase = .body
    request = ClientRequest(
      head, id: edge.makeRequestID(), at: loop.now, isDraining: edge.isDraining)
    loop.setDeadline(self, .never)
    answer(head, bytes)
  }

  /// Hands the body on; after a refusal nobody takes it.
  func requestContinued(_ payload: borrowing Span<UInt8>) {
    request.clock.take(payload.count)
    if backend != nil { appendBody(payload) }
  }

  func requestEnded() {
    if request.isAnswered { return nextRequest() }
    phase = .answer
    loop.setDeadline(self, .never)
    if backend != nil && request.isChunked { edge.outbound.append("0\r\n\r\n") }
  }

  private func appendBody(_ payload: borrowing Span<UInt8>) {
    if request.isChunked {
      edge.outbound.append(hex: payload.count)
      edge.outbound.append("\r\n")
      edge.outbound.append(payload)
      edge.outbound.append("\r\n")
    } else {
      edge.outbound.append(payload)
    }
  }

  // MARK: Exchanges

  /// Begins the request to a backend with its head; what is there of its body follows.
  func forward(to backend: Backend, head writeHead: (inout ByteBuffer) -> Void) {
    let connection: BackendConnection
    do {
      connection = try edge.checkOut(backend)
    } catch {
      return answerError(edge.unavailableError(backend))
    }
    self.backend = connection
    connection.begin(for: self, isHead: request.isHead)
    writeHead(&edge.outbound)
  }

  /// The backend takes less than the client sends.
  private func holdBack() {
    request.clock.hold(at: loop.now)
    setReading(false)
  }

  /// The backend's queue is empty again: more of the body may come.
  func backendDrained() {
    request.clock.goOn(at: loop.now)
    setReading(true)
    if phase == .body && queuedBytes == 0 { expectBody() }
  }

  private func expectBody() { loop.setDeadline(self, request.clock.deadline(at: loop.now)) }

  /// Takes back what was asked of a backend; false if its answer has begun.
  func leaveBackend() -> Bool {
    guard backend?.hasAnswerBegun != true else { return false }
    backend?.abandon()
    backend = nil
    leaveEvidence()
    return true
  }

  private func leaveEvidence() {
    guard let number = request.evidenceNumber else { return }
    request.evidenceNumber = nil
    edge.evidence.forget(number)
  }

  var hasSentWholeBody: Bool { reader.isBodyComplete }

  /// HTTP/1.0 knows no chunks.
  var takesChunks: Bool { !request.isHTTP10 }

  /// Sends bytes of an answer. A client that does not read stops its backend.
  func deliver(_ bytes: borrowing Span<UInt8>) {
    if isClosed || bytes.isEmpty { return }
    if let session {
      guard session.send(bytes) else { return close() }
      flushSession()
    } else {
      write(bytes)
    }
    guard !isClosed, queuedBytes > 0 else { return }
    expect(within: EdgeBounds.answerStallSecondsMax)
    if queuedBytes > EdgeBounds.queuedBytesMax { backend?.setReading(false) }
  }

  func deliver(_ buffer: borrowing ByteBuffer) { deliver(buffer.span) }

  private func flushSession() {
    if edge.pipe.output.isEmpty { return }
    write(edge.pipe.output)
    edge.pipe.output.clear()
  }

  func answerEnded() {
    backend = nil
    if entrance == .probe { edge.fleet.advance(to: .serving) }
    request.isAnswered = true
    if phase == .answer { nextRequest() } else { dropBody() }
  }

  /// The rest of a body that nobody wants: dropped if it is short, else the connection ends.
  private func dropBody() {
    let isShort = (reader.bodyBytesLeft ?? .max) <= EdgeBounds.discardedBodyBytesMax
    guard isShort, request.keepsAlive, !request.awaitsContinue else { return closeAfterAnswer() }
    request.clock.goOn(at: loop.now)
    expectBody()
    setReading(true)
  }

  private func nextRequest() {
    guard request.keepsAlive, !edge.isDraining else { return closeAfterAnswer() }
    phase = .head
    request = ClientRequest()
    if queuedBytes == 0 { expect(within: EdgeBounds.idleSecondsMax) }
    // Who does not read answers gets no more of them.
    if queuedBytes <= EdgeBounds.queuedBytesMax { goOn() }
  }

  private func goOn() {
    reader.goOn()
    setReading(true)
    if !reader.isReading && !reader.isEmpty { read(ByteBuffer()) }
  }

  /// Core or admin broke off, or never read the request.
  func backendFailed(hasBegun: Bool, unread: Bool) {
    let failed = backend?.backend ?? .core
    backend = nil
    if hasBegun { return abort() }
    answerError(
      unread ? edge.unavailableError(failed) : failed == .core ? .coreLost : .adminUnavailable)
  }

  /// Breaks the connection off, so that an incomplete answer cannot be taken for a whole one.
  private func abort() { close() }

  // MARK: Closing

  /// Ends the connection once the answer is out. If the client is still sending, what it sends is
  /// dropped for a while: a reset could destroy the answer on its way.
  func closeAfterAnswer() {
    if isClosed || phase == .closing { return }
    phase = .closing
    reader.stop()
    session?.sendClose()
    if session != nil { flushSession() }
    if isClosed { return }
    if queuedBytes == 0 { onDrained() } else { expect(within: EdgeBounds.answerStallSecondsMax) }
  }

  override func onDrained() {
    switch phase {
    case .closing:
      if reader.isBodyComplete && reader.isEmpty && !request.isMalformed { return close() }
      endSending(over: self)
      setReading(true)
      expect(within: EdgeBounds.lingerSecondsMax)
    case .head:
      expect(within: EdgeBounds.idleSecondsMax)
      goOn()
    case .body:
      expectBody()
      backend?.setReading(true)
    default:
      loop.setDeadline(self, .never)
      backend?.setReading(true)
    }
  }

  override func onProgress() { expect(within: EdgeBounds.answerStallSecondsMax) }

  override func onDeadline() {
    if queuedBytes > 0 { return close() }
    switch phase {
    case .head where request.hasBegun: answerError(.requestTimeout, closes: true)
    case .body where backend != nil && !request.isAnswered:
      guard leaveBackend() else { return close() }
      answerError(.requestTimeout, closes: true)
    default: close()
    }
  }

  override func onClosed() {
    backend?.abandon()
    backend = nil
    leaveEvidence()
    reader.stop()
    edge.forget(self)
  }

  /// Closes between requests while the edge drains.
  func closeIfIdle() {
    if phase == .head && !request.hasBegun && queuedBytes == 0 { closeAfterAnswer() }
  }
}
