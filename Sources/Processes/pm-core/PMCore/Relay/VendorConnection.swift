import PMHTTP
import PMSystem

/// Something that asks the vendor: a client's call, or core itself.
class VendorTask {
  /// The head of the answer; its body follows.
  func answerBegan(_ head: ResponseHead, _ bytes: borrowing Span<UInt8>) {}
  /// A piece of the body, or the last one, which may be empty.
  func answerContinued(_ piece: borrowing Span<UInt8>, isLast: Bool) {}
  /// The connection broke, or what came was no HTTP.
  func vendorLost(hasBegun: Bool) {}
  /// Everything written has left for the vendor.
  func vendorDrained() {}
  func vendorDeadline() {}
}

/// A connection to the vendor's proxy, used by one task at a time.
final class VendorConnection: StreamSource {
  private let core: CoreLoop
  private var task: VendorTask?
  /// The beginning of a head whose end has not come.
  private var head = ByteBuffer()
  private var isWithinHead = false
  private var headEnd = HeadEnd()
  private var framing: BodyFraming?
  private var keepsAlive = true
  /// `sentBytes` when the task began.
  private var sentBefore: UInt64 = 0
  /// The vendor listens: it has taken something, if only of an earlier task.
  var isConnected: Bool { sentBytes > 0 }
  /// Some of what the task wrote has gone to the vendor.
  var hasSentRequest: Bool { sentBytes > sentBefore }
  /// When it was last given back.
  var idleSince = Instant(nanoseconds: 0)

  init(_ descriptor: consuming OwnedDescriptor, of core: CoreLoop) {
    self.core = core
    super.init(consume descriptor, in: core.events)
  }

  func begin(for task: VendorTask) {
    self.task = task
    framing = nil
    keepsAlive = true
    sentBefore = sentBytes
  }

  /// The task needs the answer no more. What was asked is cancelled by closing.
  func abandon() {
    task = nil
    close()
  }

  func expect(within seconds: UInt64) { loop.setDeadline(self, loop.now.adding(seconds: seconds)) }

  override func onReadable() {
    core.receive(from: self) { transfer, bytes in
      switch transfer {
      case .wouldBlock: return
      case .failed: onBroken()
      case .ended: ended()
      case .bytes:
        // Bytes that nobody asked for would be taken for the next answer.
        guard task != nil else { return close() }
        do {
          try take(bytes)
        } catch {
          onBroken()
        }
      }
    }
  }

  private func take(_ bytes: borrowing Span<UInt8>) throws(HTTPError) {
    if framing != nil { return try takeBody(bytes) }
    if !isWithinHead {
      if try !takeHead(bytes) { keepHead(bytes) }
      return
    }
    keepHead(bytes)
    // Moved out, so that it is not borrowed while the answer is handed on.
    var whole = ByteBuffer()
    swap(&whole, &head)
    isWithinHead = try !takeHead(whole.span)
    if isWithinHead { swap(&whole, &head) }
  }

  private func keepHead(_ bytes: borrowing Span<UInt8>) {
    head.append(bytes)
    isWithinHead = true
  }

  /// False while the head is incomplete.
  private func takeHead(_ bytes: borrowing Span<UInt8>) throws(HTTPError) -> Bool {
    var end = headEnd
    let found = try end.find(in: bytes)
    headEnd = end
    guard let length = found else { return false }
    let headBytes = bytes.extracting(0..<length)
    let answer = try ResponseHead(headBytes)
    guard answer.status >= 200 else { throw .malformedStartLine }
    let body = answer.body()
    framing = body
    keepsAlive = answer.keepsAlive && !body.endsWithConnection
    task?.answerBegan(answer, headBytes)
    if body.isComplete || length < bytes.count {
      try takeBody(bytes.extracting(length..<bytes.count))
    }
    return true
  }

  private func takeBody(_ bytes: borrowing Span<UInt8>) throws(HTTPError) {
    var position = 0
    // A run is handed on one step behind, so that the last one is known to be the last.
    var run: Range<Int>?
    while let next = try nextRun(bytes, &position) {
      if let run { task?.answerContinued(bytes.extracting(run), isLast: false) }
      run = next
    }
    guard framing?.isComplete == true else {
      if let run { task?.answerContinued(bytes.extracting(run), isLast: false) }
      return
    }
    let finished = task
    let isReusable = keepsAlive && position == bytes.count && queuedBytes == 0
    task = nil
    framing = nil
    loop.setDeadline(self, .never)
    if !isClosed {
      setReading(true)
      if isReusable { core.pool.giveBack(self) } else { close() }
    }
    finished?.answerContinued(bytes.extracting(run ?? 0..<0), isLast: true)
  }

  private func nextRun(
    _ bytes: borrowing Span<UInt8>, _ position: inout Int
  ) throws(HTTPError) -> Range<Int>? {
    guard var framing else { return nil }
    defer { self.framing = framing }
    return try framing.next(bytes, &position)
  }

  /// The end of the connection ends an answer only if that was its framing.
  private func ended() {
    guard framing?.endsWithConnection == true, let task else { return onBroken() }
    self.task = nil
    close()
    let nothing = ByteBuffer()
    task.answerContinued(nothing.span, isLast: true)
  }

  override func onBroken() {
    let (lost, hasBegun) = (task, framing != nil)
    task = nil
    close()
    lost?.vendorLost(hasBegun: hasBegun)
  }

  override func onDrained() { task?.vendorDrained() }
  override func onDeadline() { task?.vendorDeadline() }
  override func onClosed() { core.pool.forget(self) }
}

/// Idle connections to the vendor; the one used last is used next.
final class VendorPool {
  private let port: UInt16
  private var idle: [VendorConnection] = []

  init(port: UInt16) { self.port = port }

  /// A connection for one request. Requests are never replayed, so an idle connection that the
  /// vendor may have closed meanwhile is not used.
  func checkOut(_ core: CoreLoop) throws(SystemError) -> VendorConnection {
    while let connection = idle.popLast() {
      let isTrusted = core.events.now.millisecondsSince(connection.idleSince)
        < CoreBounds.trustedIdleMilliseconds
      if !connection.isClosed && (isTrusted || !hasNews(connection)) { return connection }
      connection.close()
    }
    let connection = VendorConnection(try TCPSocket.connectLoopback(port: port), of: core)
    try core.events.add(connection)
    return connection
  }

  func giveBack(_ connection: VendorConnection) {
    guard idle.count < CoreBounds.idleVendorsMax else { return connection.close() }
    connection.idleSince = connection.loop.now
    idle.append(connection)
  }

  func forget(_ connection: VendorConnection) { idle.removeAll { $0 === connection } }

  func closeIdle() { for connection in Array(idle) { connection.close() } }
}
