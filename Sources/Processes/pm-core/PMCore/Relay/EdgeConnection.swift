import PMHTTP
import PMSystem
import PMWire

/// A connection from the edge: requests one after the other, each answered before the next.
final class EdgeConnection: StreamSource, RequestTaker {
  let core: CoreLoop
  private let reader = RequestReader()
  private var call: Call?
  private var isAnswered = false
  private var breaksWhenDrained = false
  /// The request in hand, until it is counted; nil for what nobody counts.
  var exchange: Exchange?
  private(set) var isHead = false
  /// What the edge knows of the limit that it enforces and core keeps.
  private var toldAddressLimit: RequestWindow?

  init(_ descriptor: consuming OwnedDescriptor, of core: CoreLoop) {
    self.core = core
    super.init(consume descriptor, in: core.events)
  }

  // MARK: Receiving

  override func onReadable() {
    core.receive(from: self) { transfer, bytes in
      switch transfer {
      case .wouldBlock: return
      case .ended, .failed: close()
      case .bytes: read(bytes)
      }
    }
  }

  private func read(_ received: borrowing Span<UInt8>) {
    do {
      try reader.read(received, for: self)
    } catch {
      // Only the edge writes here, and it writes canonical messages.
      return close()
    }
    // The edge asks one thing at a time; more than that is not kept.
    if reader.isFull { close() }
  }

  func requestBegan(_ head: RequestHead, _ bytes: borrowing Span<UInt8>) {
    isAnswered = false
    exchange = nil
    isHead = head.method == .head
    call = nil
    answer(head, bytes)
  }

  /// A body that nobody takes any more is read and dropped: the edge ends it, or the connection.
  func requestContinued(_ payload: borrowing Span<UInt8>) { call?.take(payload) }

  func requestEnded() {
    if isAnswered { nextRequest() } else { call?.bodyEnded() }
  }

  func begin(_ call: Call) { self.call = call }

  // MARK: Answering

  /// A whole answer at once.
  func respond(_ status: Int, _ fields: String, _ json: String) {
    if isClosed { return }
    core.write(to: self) { out in
      writeStatus(status, to: &out)
      out.append("Content-Type: application/json\r\nContent-Length: ")
      out.append(decimal: json.utf8.count)
      out.append("\r\n")
      out.append(fields)
      out.append("\r\n")
      if !isHead { out.append(json) }
    }
    ended()
  }

  /// The error in its envelope, which goes into `digest` too. `vendorText` takes the place of its
  /// own text.
  func respond(
    _ error: APIError, _ dialect: Dialect, _ id: RequestID, fields: String = "",
    vendorText: String? = nil, digest: ContentDigest? = nil
  ) {
    var fields = fields
    if let seconds = error.retryAfterSeconds { fields += "Retry-After: \(seconds)\r\n" }
    exchange?.code = error.code.text
    if error.saysNoRetry { fields += "X-Should-Retry: false\r\n" }
    let body = error.body(dialect, requestID: id.text, vendorText: vendorText)
    digest?.update(Array(body.utf8).span)
    respond(error.status, fields, body)
  }

  func writeStatus(_ status: Int, to out: inout ByteBuffer) {
    exchange?.status = status
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
    countExchange()
    if isClosed { return }
    if reader.hasEnded { nextRequest() }
  }

  private func nextRequest() {
    reader.goOn()
    setReading(true)
    // Each answer of a process that leaves is the last of its connection.
    if core.isDraining { announceLeave() }
    if !reader.isReading && !reader.isEmpty { read(ByteBuffer().span) }
  }

  func sendContinue() {
    var line = ByteBuffer()
    line.append("HTTP/1.1 100 Continue\r\n\r\n")
    write(line)
  }

  /// Says on an idle connection that no new request should come. Between head and answer it means
  /// nothing, because an interim answer is skipped there.
  func announceLeave() {
    guard !isClosed, reader.isIdle else { return }
    var line = ByteBuffer()
    line.append("HTTP/1.1 103 Status\r\n")
    line.append(EdgeField.goingAway)
    line.append(": 1\r\n\r\n")
    write(line)
  }

  /// Breaks the connection once what was written has left.
  func closeAfterWriting() {
    call = nil
    exchange?.isBroken = true
    countExchange()
    breaksWhenDrained = true
    if queuedBytes == 0 { close() }
  }

  private func countExchange() {
    if let exchange { core.metrics.count(exchange) }
    exchange = nil
  }

  override func onDrained() {
    if breaksWhenDrained { return close() }
    call?.clientDrained()
  }

  override func onClosed() {
    reader.stop()
    let left = call
    call = nil
    countExchange()
    core.forget(self)
    left?.clientLeft()
  }
}
