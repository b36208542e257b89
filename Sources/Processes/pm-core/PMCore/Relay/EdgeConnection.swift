import PMHTTP
import PMSystem
import PMWire

/// A connection from the edge: requests one after the other, each answered before the next.
final class EdgeConnection: StreamSource {
  private enum Phase {
    case head, body, answer
  }

  let core: CoreLoop
  private var phase = Phase.head
  private var pending = ByteBuffer()
  private var headEnd = HeadEnd()
  private var body = BodyFraming.none
  private var call: Call?
  private var isConsuming = false
  private var isAnswered = false
  private var breaksWhenDrained = false
  private(set) var isHead = false
  /// What the edge knows of the limit that it enforces and core keeps.
  private var toldAddressLimit: RequestWindow?

  init(_ descriptor: consuming OwnedDescriptor, of core: CoreLoop) {
    self.core = core
    super.init(consume descriptor, in: core.events)
  }

  // MARK: Receiving

  override func onReadable() {
    core.inbound.clear()
    switch receive(into: &core.inbound, upTo: CoreBounds.receiveBytesMax) {
    case .wouldBlock: return
    case .ended, .failed: close()
    case .bytes: accept(core.inbound)
    }
  }

  private func accept(_ received: borrowing ByteBuffer) {
    if pending.isEmpty {
      let bytes = received.span
      let used = consume(bytes)
      if !isClosed && used < bytes.count { pending.append(bytes.extracting(used..<bytes.count)) }
    } else {
      pending.append(received.span)
      pump()
    }
    // The edge asks one thing at a time; more than that is not kept.
    if phase == .answer && pending.count > CoreBounds.receiveBytesMax { close() }
  }

  private func pump() {
    var waiting = ByteBuffer()
    swap(&waiting, &pending)
    let used = consume(waiting.span)
    if isClosed { return }
    waiting.consume(used)
    if waiting.isEmpty { waiting.release() }
    swap(&waiting, &pending)
  }

  private func consume(_ bytes: borrowing Span<UInt8>) -> Int {
    isConsuming = true
    defer { isConsuming = false }
    var position = 0
    while position < bytes.count, !isClosed {
      let rest = bytes.extracting(position..<bytes.count)
      do {
        switch phase {
        case .head:
          guard let length = try headEnd.find(in: rest) else { return position }
          position += length
          try begin(rest.extracting(0..<length))
        case .body: position += try takeBody(rest)
        case .answer: return position
        }
      } catch {
        // Only the edge writes here, and it writes canonical messages.
        close()
        return bytes.count
      }
    }
    return position
  }

  private func begin(_ headBytes: borrowing Span<UInt8>) throws(HTTPError) {
    let head = try RequestHead(headBytes)
    body = head.fields.isChunked ? .chunked : .length(head.fields.contentLength ?? 0)
    phase = body.isComplete ? .answer : .body
    isAnswered = false
    isHead = head.method == .head
    call = nil
    answer(head, headBytes)
    if body.isComplete { call?.bodyEnded() }
  }

  /// A body that nobody takes any more is read and dropped: the edge ends it, or the connection.
  private func takeBody(_ bytes: borrowing Span<UInt8>) throws(HTTPError) -> Int {
    var position = 0
    while let run = try body.next(bytes, &position) { call?.take(bytes.extracting(run)) }
    if body.isComplete && !isClosed {
      phase = .answer
      if isAnswered { nextRequest() } else { call?.bodyEnded() }
    }
    return position
  }

  func begin(_ call: Call) { self.call = call }

  // MARK: Answering

  /// A whole answer at once.
  func respond(_ status: Int, _ fields: String, _ json: String) {
    if isClosed { return }
    core.outbound.clear()
    writeStatus(status, to: &core.outbound)
    core.outbound.append("Content-Type: application/json\r\nContent-Length: ")
    core.outbound.append(decimal: json.utf8.count)
    core.outbound.append("\r\n")
    core.outbound.append(fields)
    core.outbound.append("\r\n")
    if !isHead { core.outbound.append(json) }
    write(core.outbound)
    ended()
  }

  func respond(_ error: APIError, _ dialect: Dialect, _ id: RequestID, fields: String = "") {
    var fields = fields
    if let seconds = error.retryAfterSeconds { fields += "Retry-After: \(seconds)\r\n" }
    if error.saysNoRetry { fields += "X-Should-Retry: false\r\n" }
    respond(error.status, fields, error.body(dialect, requestID: id.text))
  }

  func writeStatus(_ status: Int, to out: inout ByteBuffer) {
    out.append("HTTP/1.1 ")
    out.append(decimal: status)
    out.append(" Status\r\n")
    if toldAddressLimit == core.addressLimit { return }
    toldAddressLimit = core.addressLimit
    out.append(EdgeField.addressLimit)
    out.append(": \(core.addressLimit.requests)/\(core.addressLimit.seconds)\r\n")
  }

  /// The answer is complete.
  func ended() {
    call = nil
    isAnswered = true
    if isClosed { return }
    if body.isComplete { nextRequest() }
  }

  private func nextRequest() {
    phase = .head
    setReading(true)
    // Each answer of a process that leaves is the last of its connection.
    if core.isDraining && pending.isEmpty { announceLeave() }
    if !isConsuming && !pending.isEmpty { pump() }
  }

  func sendContinue() {
    var line = ByteBuffer()
    line.append("HTTP/1.1 100 Continue\r\n\r\n")
    write(line)
  }

  /// Says on an idle connection that no new request should come. Between head and answer it means
  /// nothing, because an interim answer is skipped there.
  func announceLeave() {
    guard !isClosed, phase == .head, pending.isEmpty else { return }
    var line = ByteBuffer()
    line.append("HTTP/1.1 103 Status\r\n")
    line.append(EdgeField.goingAway)
    line.append(": 1\r\n\r\n")
    write(line)
  }

  /// Breaks the connection once what was written has left.
  func closeAfterWriting() {
    call = nil
    breaksWhenDrained = true
    if queuedBytes == 0 { close() }
  }

  override func onDrained() {
    if breaksWhenDrained { return close() }
    call?.clientDrained()
  }

  override func onClosed() {
    let left = call
    call = nil
    core.forget(self)
    left?.clientLeft()
  }
}
