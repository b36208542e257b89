internal import PMHTTP
internal import PMSystem
internal import PMWire

/// A connection to core or admin, used by one request at a time. It takes answers apart only as far
/// as their framing.
final class BackendConnection: StreamSource {
  let backend: Backend
  private let edge: EdgeLoop
  private var client: ClientConnection?
  private var head = ByteBuffer()
  private var headEnd = HeadEnd()
  private var framing: BodyFraming?
  private var keepsAlive = true
  private var isForHead = false
  /// Bytes came that belong to no answer.
  private var hasExcess = false
  /// Bytes of the request so far.
  private var requestBytes = 0

  init(_ descriptor: consuming OwnedDescriptor, to backend: Backend, of edge: EdgeLoop) {
    self.backend = backend
    self.edge = edge
    super.init(consume descriptor, in: edge.events)
  }

  /// Ties the connection to a request, whose first bytes are written next.
  func begin(for client: ClientConnection, isHead: Bool) {
    self.client = client
    isForHead = isHead
    framing = nil
    keepsAlive = true
    hasExcess = false
    requestBytes = 0
    let unread = EdgeBounds.backendUnreadSecondsMax
    loop.setDeadline(self, loop.now.adding(seconds: unread))
  }

  /// Sends bytes of the request.
  func send(_ bytes: borrowing ByteBuffer) {
    requestBytes += bytes.count
    write(bytes)
  }

  /// The client may have got a part of the answer.
  var hasAnswerBegun: Bool { framing != nil }

  /// The client has gone: what was asked is of no use any more.
  func abandon() {
    client = nil
    close()
  }

  override func onReadable() {
    edge.inbound.clear()
    switch receive(into: &edge.inbound, upTo: EdgeBounds.receiveBytesMax) {
    case .wouldBlock: return
    case .ended, .failed: onBroken()
    case .bytes:
      // Bytes that nobody asked for: the backend is going away, or out of step.
      guard let client else { return close() }
      do {
        try take(edge.inbound, for: client)
      } catch {
        fail(client)
      }
    }
  }

  private func take(
    _ received: borrowing ByteBuffer, for client: ClientConnection
  ) throws(HTTPError) {
    let bytes = received.span
    if framing != nil { return try relay(bytes, from: 0, for: client) }
    if head.isEmpty {
      let used = try takeHead(bytes, for: client)
      if used == 0 { head.append(bytes) }
    } else {
      head.append(bytes)
      // Moved out, so that it is not borrowed while the answer is handed on.
      var whole = ByteBuffer()
      swap(&whole, &head)
      let used = try takeHead(whole.span, for: client)
      if used == 0 { swap(&whole, &head) }
    }
  }

  /// Takes interim heads and then the head of the answer with what follows it; 0 while incomplete.
  private func takeHead(
    _ bytes: borrowing Span<UInt8>, for client: ClientConnection
  ) throws(HTTPError) -> Int {
    var start = 0
    while true {
      let rest = bytes.extracting(start..<bytes.count)
      guard let length = try headEnd.find(in: rest) else {
        guard start > 0 else { return 0 }
        head.append(rest)
        return bytes.count
      }
      let answer = try ResponseHead(rest.extracting(0..<length))
      start += length
      if answer.status >= 200 {
        try begin(answer, rest.extracting(0..<length), bytes, bodyStart: start, for: client)
        return bytes.count
      }
      if answer.status == 100 { client.sendContinue() }
      if start == bytes.count { return start }
    }
  }

  /// Head and the first bytes of the body go to the client in one piece.
  private func begin(
    _ answer: ResponseHead, _ headBytes: borrowing Span<UInt8>, _ bytes: borrowing Span<UInt8>,
    bodyStart: Int, for client: ClientConnection
  ) throws(HTTPError) {
    loop.setDeadline(self, .never)
    let framing = answer.body(forHead: isForHead)
    guard !framing.endsWithConnection else { throw .ambiguousLength }
    self.framing = framing
    keepsAlive = answer.keepsAlive
    if answer.fields.first(.internalName) != nil { noteLimit(answer, headBytes) }
    edge.outbound.clear()
    client.writeHead(of: answer, headBytes, to: &edge.outbound)
    try appendBody(bytes, from: bodyStart, for: client)
    client.deliver(edge.outbound)
    endIfComplete(client)
  }

  /// Core keeps the limit of client addresses; it tells a change with the next answer.
  private func noteLimit(_ answer: ResponseHead, _ bytes: borrowing Span<UInt8>) {
    for index in 0..<answer.fields.count {
      let field = answer.fields[index]
      guard bytes.equals(field.nameRange, ignoringCase: "pm-address-limit") else { continue }
      let numbers = String(copying: bytes.extracting(field.valueRange)).split(separator: "/")
      guard numbers.count == 2, let requests = Int(numbers[0]), let seconds = Int(numbers[1]),
        RequestWindow.requestsRange.contains(Int64(requests)),
        RequestWindow.secondsRange.contains(Int64(seconds))
      else { return }
      edge.addresses.change(RequestWindow(requests: requests, seconds: seconds))
    }
  }

  private func relay(
    _ bytes: borrowing Span<UInt8>, from start: Int, for client: ClientConnection
  ) throws(HTTPError) {
    if client.takesChunks {
      let end = try advance(bytes, from: start)
      client.deliver(bytes.extracting(start..<end))
    } else {
      edge.outbound.clear()
      try appendBody(bytes, from: start, for: client)
      client.deliver(edge.outbound)
    }
    endIfComplete(client)
  }

  private func appendBody(
    _ bytes: borrowing Span<UInt8>, from start: Int, for client: ClientConnection
  ) throws(HTTPError) {
    if client.takesChunks {
      let end = try advance(bytes, from: start)
      edge.outbound.append(bytes.extracting(start..<end))
      return
    }
    var position = start
    while let run = try framing?.next(bytes, &position) {
      edge.outbound.append(bytes.extracting(run))
    }
    hasExcess = position < bytes.count
  }

  /// The offset where the body ends, or the end of the bytes. The framing itself stays as it is:
  /// core writes it, and the client understands it.
  private func advance(_ bytes: borrowing Span<UInt8>, from start: Int) throws(HTTPError) -> Int {
    var position = start
    while try framing?.next(bytes, &position) != nil {}
    hasExcess = position < bytes.count
    return position
  }

  private func endIfComplete(_ client: ClientConnection) {
    guard framing?.isComplete == true, !isClosed else { return }
    self.client = nil
    // What follows an answer unasked would be taken for the next one.
    let isReusable = keepsAlive && client.hasSentWholeBody && !hasExcess
    head.release()
    setReading(true)
    if isReusable { edge.checkIn(self) } else { close() }
    client.answerEnded()
  }

  private func fail(_ client: ClientConnection) {
    self.client = nil
    close()
    client.backendFailed(hasBegun: hasAnswerBegun, unread: false)
  }

  override func onBroken() {
    if let client { fail(client) } else { close() }
  }

  override func onDeadline() {
    guard let client, framing == nil, isUnread else { return }
    self.client = nil
    close()
    client.backendFailed(hasBegun: false, unread: true)
  }

  /// The backend has not taken a byte of the request. The kernel counts unread bytes with what it
  /// keeps beside them, so never too few; of an upload that a slow vendor holds back, much more has
  /// been read by then than a socket holds.
  private var isUnread: Bool {
    let unread = unreadBytes(sentOver: self)
    return unread > 0 && unread >= requestBytes - queuedBytes
  }

  override func onDrained() { client?.backendDrained() }

  override func onClosed() { edge.forget(self) }
}
