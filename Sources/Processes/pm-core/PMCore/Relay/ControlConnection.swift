import PMHTTP
import PMSystem
import PMWire

/// A connection on the control socket, from pm-admin or `pmctl`. Requests are small and rare, so
/// their bodies are read whole.
final class ControlConnection: StreamSource {
  /// A key file to be imported is the largest thing that comes here.
  static let bodyBytesMax = 16 << 20
  /// Between two requests, and for one to arrive.
  private static let idleSecondsMax: UInt64 = 60
  static let connectionsMax = 64

  private let core: CoreLoop
  private let desk: ControlDesk
  private let peer: PeerIdentity
  private var input = ByteBuffer()
  private var headEnd = HeadEnd()
  private var body = BodyFraming.none
  private var request: (method: String, target: String, content: [UInt8])?
  private var isAnswering = false
  private var keepsAlive = true
  /// What gives the body that is being answered, if that is one which comes in pieces.
  private var tap: BodyTap?

  init(
    _ descriptor: consuming OwnedDescriptor, from peer: PeerIdentity, desk: ControlDesk,
    of core: CoreLoop
  ) {
    self.core = core
    self.desk = desk
    self.peer = peer
    super.init(consume descriptor, in: core.events)
  }

  func begin() { expect() }
  private func expect() { loop.setDeadline(self, loop.now.adding(seconds: Self.idleSecondsMax)) }

  override func onReadable() {
    switch receive(into: &input, upTo: CoreBounds.receiveBytesMax) {
    case .wouldBlock: return
    case .ended, .failed: close()
    case .bytes:
      expect()
      do { try advance() } catch {
        answer(.error(400, "malformed_request", "This is not HTTP/1.1."))
      }
    }
  }

  private func advance() throws(HTTPError) {
    // Moved out, so that it is not borrowed while requests are answered.
    var bytes = ByteBuffer()
    swap(&bytes, &input)
    defer { swap(&bytes, &input) }
    while !isAnswering, !isClosed, !bytes.isEmpty || request != nil {
      if request == nil {
        guard let length = try headEnd.find(in: bytes.span) else { return }
        try takeHead(bytes.span.extracting(0..<length))
        bytes.consume(length)
      }
      try takeBody(&bytes)
      guard body.isComplete, let asked = request else { return }
      isAnswering = true
      // The peer may have left by the time a change is on disk.
      desk.handle(
        method: asked.method, target: asked.target, body: asked.content, peer: peer
      ) { [weak self] response in self?.answer(response) }
    }
  }

  private func takeBody(_ bytes: inout ByteBuffer) throws(HTTPError) {
    var position = 0
    while let run = try body.next(bytes.span, &position) {
      let content = Array(copying: bytes.span.extracting(run))
      guard (request?.content.count ?? 0) + content.count <= Self.bodyBytesMax else {
        keepsAlive = false
        return answer(.error(413, "request_too_large", "The body is too large."))
      }
      request?.content += content
    }
    bytes.consume(position)
  }

  private func takeHead(_ bytes: borrowing Span<UInt8>) throws(HTTPError) {
    let head = try RequestHead(bytes)
    keepsAlive = head.keepsAlive
    body = head.body
    let path = String(copying: bytes.extracting(head.path))
    let query = String(copying: bytes.extracting(head.query))
    request = (head.method.word, query.isEmpty ? path : "\(path)?\(query)", [])
    if head.expectsContinue {
      var line = ByteBuffer()
      line.append("HTTP/1.1 100 Continue\r\n\r\n")
      write(line)
    }
  }

  private func answer(_ response: ControlResponse) {
    if isClosed { return }
    if case .stream(let body) = response.body { return pass(body, of: response) }
    var out = ByteBuffer()
    out.append("HTTP/1.1 ")
    out.append(decimal: response.status)
    out.append(" Status\r\nCache-Control: no-store\r\n")
    let content = response.bytes
    if response.status != 204 {
      out.append("Content-Type: \(response.contentType)\r\nContent-Length: ")
      out.append(decimal: content.count)
      out.append("\r\n")
    }
    if !response.allowedMethods.isEmpty {
      out.append("Allow: \(response.allowedMethods.joined(separator: ", "))\r\n")
    }
    if !keepsAlive { out.append("Connection: close\r\n") }
    out.append("\r\n")
    if response.status != 204 { out.append(content) }
    write(out)
    (request, isAnswering) = (nil, false)
    if !keepsAlive || !body.isComplete { closeWhenSent() }
  }

  /// Passes a body on as it comes; the connection ends with it, so that one that broke off is told.
  private func pass(_ body: StreamedBody, of response: ControlResponse) {
    var out = ByteBuffer()
    out.append("HTTP/1.1 200 Status\r\nCache-Control: no-store\r\nConnection: close\r\n")
    out.append("Content-Type: \(response.contentType)\r\nTransfer-Encoding: chunked\r\n\r\n")
    write(out)
    guard let socket = body.take() else { return close() }
    let tap = BodyTap(socket, of: core, to: self)
    guard (try? loop.add(tap)) != nil else { return close() }
    self.tap = tap
  }

  fileprivate func take(_ piece: borrowing Span<UInt8>) {
    expect()
    write(piece)
    if queuedBytes > CoreBounds.queuedBytesMax { tap?.setReading(false) }
  }

  fileprivate func bodyEnded() {
    tap = nil
    isAnswering = false
    closeWhenSent()
  }

  private func closeWhenSent() {
    keepsAlive = false
    if queuedBytes == 0 { close() }
  }

  override func onProgress() { expect() }
  override func onDrained() {
    expect()
    tap?.setReading(true)
    if !keepsAlive && !isAnswering { close() }
  }
  override func onDeadline() { if !isAnswering || tap != nil { close() } }
  override func onClosed() {
    tap?.close()
    core.controlClosed()
  }
}

/// The loop's end of a body that a thread makes.
private final class BodyTap: StreamSource {
  private let core: CoreLoop
  private weak var connection: ControlConnection?

  init(
    _ socket: consuming OwnedDescriptor, of core: CoreLoop, to connection: ControlConnection
  ) {
    self.core = core
    self.connection = connection
    super.init(consume socket, in: core.events)
  }

  override func onReadable() {
    core.receive(from: self) { transfer, bytes in
      switch transfer {
      case .wouldBlock: return
      case .bytes: connection?.take(bytes)
      case .ended, .failed:
        close()
        connection?.bodyEnded()
      }
    }
  }
}

extension Method {
  fileprivate var word: String {
    switch self {
    case .get: "GET"
    case .head: "HEAD"
    case .post: "POST"
    case .put: "PUT"
    case .patch: "PATCH"
    case .delete: "DELETE"
    case .options: "OPTIONS"
    case .other: ""
    }
  }
}
