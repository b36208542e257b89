internal import PMSystem

/// What becomes of the requests of a connection, told by its `RequestReader`.
public protocol RequestTaker: AnyObject {
  /// A whole head has come; `bytes` are it with its empty line.
  func requestBegan(_ head: RequestHead, _ bytes: borrowing Span<UInt8>)
  /// The next run of the body, without its framing.
  func requestContinued(_ payload: borrowing Span<UInt8>)
  /// The request is complete. The next one is told after `RequestReader.goOn`.
  func requestEnded()
}

/// Takes the requests of one connection apart, one at a time, however their bytes arrive.
///
///     head ─▶ body ─▶ ended ──goOn──▶ head …          any of them ──stop──▶ stopped
///
/// What comes before its time is kept: the beginning of a head, and requests that a client sends
/// ahead of an answer. A class, because its taker answers, goes on and stops in the middle of it.
public final class RequestReader {
  private enum Phase { case head, body, ended, stopped }

  private var phase = Phase.head
  private var headEnd = HeadEnd()
  private var framing = BodyFraming.none
  private var kept = ByteBuffer()
  private var keptBytes = 0
  private var mayBeginBlank = true
  private var isWithinRead = false
  /// True inside `read`.
  public var isReading: Bool { isWithinRead }

  public init() {}

  /// No byte of a request is here that was not told.
  public var isEmpty: Bool { keptBytes == 0 }
  /// Between two requests.
  public var isIdle: Bool { phase == .head && keptBytes == 0 }
  /// A head has begun and not ended.
  public var isWithinHead: Bool { phase == .head && keptBytes > 0 }
  /// The client has sent as far ahead as it may: whoever reads on keeps more than that.
  public var isFull: Bool { keptBytes > HTTPLimits.aheadBytesMax }
  /// The request told last is complete, and `goOn` was not said yet.
  public var hasEnded: Bool { phase == .ended }
  /// Nothing is missing of the request told last.
  public var isBodyComplete: Bool { framing.isComplete }
  /// Payload still to come of the request told last, where that is known.
  public var bodyBytesLeft: Int? { framing.bytesLeft }

  /// Tells `taker` what there is in `bytes` and in what was kept. After a refusal it is stopped.
  public func read<Taker: RequestTaker>(
    _ bytes: borrowing Span<UInt8>, for taker: Taker
  ) throws(HTTPError) {
    precondition(!isWithinRead, "what is read may not be read again from within")
    isWithinRead = true
    defer { isWithinRead = false }
    do {
      if keptBytes == 0 {
        let used = try takeApart(bytes, for: taker)
        if used < bytes.count { keep(bytes.extracting(used..<bytes.count)) }
      } else {
        keep(bytes)
        try readKept(for: taker)
      }
    } catch {
      phase = .stopped
      throw error
    }
  }

  /// The request told last is answered: the next one may be told, by the next `read`.
  public func goOn() {
    if phase == .ended { phase = .head }
  }

  /// Nothing is told any more, whatever comes.
  public func stop() { phase = .stopped }

  private func keep(_ bytes: borrowing Span<UInt8>) {
    kept.append(bytes)
    keptBytes = kept.count
  }

  private func readKept<Taker: RequestTaker>(for taker: Taker) throws(HTTPError) {
    // Moved out, so that it is not borrowed while the taker looks at this reader.
    var bytes = ByteBuffer()
    swap(&bytes, &kept)
    keptBytes = 0
    bytes.consume(try takeApart(bytes.span, for: taker))
    if bytes.isEmpty { bytes.release() }
    keptBytes = bytes.count
    swap(&bytes, &kept)
  }

  /// Tells what it can; how many bytes that took.
  private func takeApart<Taker: RequestTaker>(
    _ bytes: borrowing Span<UInt8>, for taker: Taker
  ) throws(HTTPError) -> Int {
    var position = 0
    while true {
      switch phase {
      case .head:
        skipBlankLine(bytes, &position)
        let rest = bytes.extracting(position..<bytes.count)
        guard let length = try headLength(rest) else { return position }
        position += length
        try begin(rest.extracting(0..<length), for: taker)
      case .body:
        if let run = try nextRun(bytes, &position) {
          taker.requestContinued(bytes.extracting(run))
        } else if framing.isComplete {
          phase = .ended
          taker.requestEnded()
        } else {
          return position
        }
      case .ended: return position
      case .stopped: return bytes.count
      }
    }
  }

  private func headLength(_ bytes: borrowing Span<UInt8>) throws(HTTPError) -> Int? {
    var end = headEnd
    defer { headEnd = end }
    return try end.find(in: bytes)
  }

  /// On a copy, so that the taker may look at this reader meanwhile.
  private func nextRun(
    _ bytes: borrowing Span<UInt8>, _ position: inout Int
  ) throws(HTTPError) -> Range<Int>? {
    var framing = framing
    defer { self.framing = framing }
    return try framing.next(bytes, &position)
  }

  private func begin<Taker: RequestTaker>(
    _ bytes: borrowing Span<UInt8>, for taker: Taker
  ) throws(HTTPError) {
    let head = try RequestHead(bytes)
    framing = head.body
    phase = .body
    mayBeginBlank = true
    taker.requestBegan(head, bytes)
  }

  /// One empty line before a request line is ignored (RFC 9112, 2.2): old clients end a body so.
  private func skipBlankLine(_ bytes: borrowing Span<UInt8>, _ position: inout Int) {
    guard mayBeginBlank, bytes.count - position >= 2, bytes[position] == 0x0D,
      bytes[position + 1] == 0x0A
    else { return }
    mayBeginBlank = false
    position += 2
  }
}
