internal import PMHTTP
internal import PMSystem
internal import PMTLS
internal import PMWire

/// A client's connection: TLS, requests one after the other, their answers in that order.
///
///     handshake ─▶ head ─▶ body ─▶ answer ─▶ head …          closing ─▶ closed
///                    └──── local answer ────┘  any of them ─────▲
final class ClientConnection: StreamSource {
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
  private var pending = ByteBuffer()
  private var headEnd = HeadEnd()
  private var isConsuming = false
  /// The request in hand.
  var request = ClientRequest()
  private var body = BodyFraming.none
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
      guard let session else { return accept(edge.ciphertext) }
      edge.plaintext.clear()
      let state = session.receive(edge.ciphertext, into: &edge.plaintext)
      flushSession()
      if isClosed { return }
      if state == .failed { return close() }
      if phase == .handshake && state != .handshaking {
        phase = .head
        expect(within: EdgeBounds.headSecondsMax)
      }
      if !edge.plaintext.isEmpty { accept(edge.plaintext) }
      if state == .ended && !isClosed { close() }
    }
  }

  private func accept(_ received: borrowing ByteBuffer) {
    if phase == .closing { return }
    let bytes = received.span
    if pending.isEmpty {
      let used = consume(bytes)
      if !isClosed && used < bytes.count { pending.append(bytes.extracting(used..<bytes.count)) }
    } else {
      pending.append(bytes)
      pump()
    }
    if isClosed { return }
    let isAhead = phase == .answer && pending.count > EdgeBounds.pendingBytesMax
    if isAhead || queuedBytes > EdgeBounds.queuedBytesMax { setReading(false) }
  }

  /// Goes on with what waited for the end of an answer, or for the rest of a head.
  private func pump() {
    // Moved out, so that it is not borrowed while requests are answered.
    var waiting = ByteBuffer()
    swap(&waiting, &pending)
    let used = consume(waiting.span)
    if isClosed { return }
    waiting.consume(used)
    if waiting.isEmpty { waiting.release() }
    swap(&waiting, &pending)
  }

  /// Takes what it can; returns how many bytes.
  private func consume(_ bytes: borrowing Span<UInt8>) -> Int {
    isConsuming = true
    defer { isConsuming = false }
    var position = 0
    while position < bytes.count, !isClosed {
      let rest = bytes.extracting(position..<bytes.count)
      do {
        switch phase {
        case .head:
          // Who does not read answers gets no more of them.
          if queuedBytes > EdgeBounds.queuedBytesMax { return position }
          guard let length = try takeHead(rest) else { return position }
          position += length
        case .body: position += try takeBody(rest)
        case .answer: return position
        case .handshake, .closing: return bytes.count
        }
      } catch {
        refuse(error)
        return bytes.count
      }
    }
    return position
  }

  private func takeHead(_ bytes: borrowing Span<UInt8>) throws(HTTPError) -> Int? {
    guard let length = try headEnd.find(in: bytes) else {
      // The deadline of a head counts from its first byte.
      if !request.hasBegun {
        request.hasBegun = true
        expect(within: EdgeBounds.headSecondsMax)
      }
      return nil
    }
    let headBytes = bytes.extracting(0..<length)
    let head = try RequestHead(headBytes)
    body = head.fields.isChunked ? .chunked : .length(head.fields.contentLength ?? 0)
    phase = body.isComplete ? .answer : .body
    request = ClientRequest(head, id: edge.makeRequestID(), isDraining: edge.isDraining)
    if phase == .body {
      expect(within: EdgeBounds.bodyStallSecondsMax)
    } else {
      loop.setDeadline(self, .never)
    }
    let used = answer(head, headBytes, bytes)
    return used
  }

  /// Hands the body on; after a refusal nobody takes it.
  private func takeBody(_ bytes: borrowing Span<UInt8>) throws(HTTPError) -> Int {
    var position = 0
    edge.outbound.clear()
    while let run = try body.next(bytes, &position) {
      if backend != nil { appendBody(bytes.extracting(run)) }
    }
    expect(within: EdgeBounds.bodyStallSecondsMax)
    if body.isComplete { endBody() }
    if let backend {
      backend.send(edge.outbound)
      if !isClosed && backend.queuedBytes > EdgeBounds.queuedBytesMax { setReading(false) }
    }
    return position
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

  private func endBody() {
    loop.setDeadline(self, .never)
    if backend != nil {
      if request.isChunked { edge.outbound.append("0\r\n\r\n") }
      phase = .answer
    } else {
      // The answer is out already.
      nextRequest()
    }
  }

  // MARK: Exchanges

  /// Sends the request's head, and what is there of its body, in one piece. Returns the bytes
  /// taken.
  func forward(
    to backend: Backend, _ bytes: borrowing Span<UInt8>, from bodyStart: Int,
    head writeHead: (inout ByteBuffer) -> Void
  ) -> Int {
    let connection: BackendConnection
    do {
      connection = try edge.checkOut(backend)
    } catch {
      answerError(edge.unavailableError(backend))
      return bodyStart
    }
    self.backend = connection
    connection.begin(for: self, isHead: request.isHead)
    edge.outbound.clear()
    writeHead(&edge.outbound)
    var position = bodyStart
    do {
      while let run = try body.next(bytes, &position) { appendBody(bytes.extracting(run)) }
    } catch {
      refuse(error)
      return bytes.count
    }
    if phase == .body && body.isComplete { endBody() }
    connection.send(edge.outbound)
    return position
  }

  /// The backend's queue is empty again: more of the body may come.
  func backendDrained() { setReading(true) }

  /// Takes back what was asked of a backend; false if its answer has begun.
  func leaveBackend() -> Bool {
    guard backend?.hasAnswerBegun != true else { return false }
    backend?.abandon()
    backend = nil
    return true
  }

  var hasSentWholeBody: Bool { body.isComplete }

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
    if !body.isComplete {
      dropBody()
    } else {
      nextRequest()
    }
  }

  /// The rest of a body that nobody wants: dropped if it is short, else the connection ends.
  private func dropBody() {
    let isShort = (body.bytesLeft ?? .max) <= EdgeBounds.discardedBodyBytesMax
    guard isShort, request.keepsAlive, !request.awaitsContinue else { return closeAfterAnswer() }
    phase = .body
    expect(within: EdgeBounds.bodyStallSecondsMax)
    setReading(true)
    if !isConsuming && !pending.isEmpty { pump() }
  }

  private func nextRequest() {
    guard request.keepsAlive, !edge.isDraining else { return closeAfterAnswer() }
    phase = .head
    request = ClientRequest()
    if queuedBytes == 0 { expect(within: EdgeBounds.idleSecondsMax) }
    setReading(true)
    if !isConsuming && !pending.isEmpty { pump() }
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
    session?.sendClose()
    if session != nil { flushSession() }
    if isClosed { return }
    if queuedBytes == 0 { onDrained() } else { expect(within: EdgeBounds.answerStallSecondsMax) }
  }

  override func onDrained() {
    switch phase {
    case .closing:
      if body.isComplete && pending.isEmpty && !request.isMalformed { return close() }
      endSending(over: self)
      setReading(true)
      expect(within: EdgeBounds.lingerSecondsMax)
    case .head:
      expect(within: EdgeBounds.idleSecondsMax)
      setReading(true)
      if !pending.isEmpty { pump() }
    case .body:
      expect(within: EdgeBounds.bodyStallSecondsMax)
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
    pending.release()
    edge.forget(self)
  }

  /// Closes between requests while the edge drains.
  func closeIfIdle() {
    if phase == .head && !request.hasBegun && queuedBytes == 0 { closeAfterAnswer() }
  }
}
