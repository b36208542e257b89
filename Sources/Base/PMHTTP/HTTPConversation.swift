public import PMSystem

/// One request over a Unix socket of ours and its whole answer, for threads that may wait. Each has
/// a connection of its own.
public struct HTTPConversation: Sendable {
  public struct Answer: Sendable {
    public let status: Int
    public let body: [UInt8]
    public var isGood: Bool { (200..<300).contains(status) }
  }

  public enum Fault: Error, Equatable, Sendable {
    case unreachable(errno: Int32)
    /// Too long, or not HTTP.
    case notUnderstood
  }

  private let host: String
  private let conversation: SocketConversation

  /// `host` is said to the other side and means nothing.
  public init(_ conversation: SocketConversation, host: String) {
    self.conversation = conversation
    self.host = host
  }

  /// Asks with a JSON body, which may be empty. `target` begins with a slash.
  public func ask(
    _ method: String, _ target: String, json: [UInt8]
  ) throws(Fault) -> Answer {
    let read: Result<Answer, HTTPError>
    do throws(SocketConversation.Fault) {
      read = try conversation.ask(question(method, target, json), Self.read)
    } catch { throw Fault(error) }
    guard case .success(let answer) = read else { throw .notUnderstood }
    return answer
  }

  /// The same for a long answer: the body of a good one is handed over in pieces and not kept.
  /// Returns after its last byte; an answer that breaks off, or that `take` does not want, throws.
  public func download(
    _ method: String, _ target: String, json: [UInt8], _ take: (borrowing Span<UInt8>) -> Bool
  ) throws(Fault) -> Answer {
    var download = Download()
    do throws(SocketConversation.Fault) {
      try conversation.exchange(question(method, target, json)) { download.goesOn(with: $0, take) }
    } catch { throw Fault(error) }
    guard let answer = download.answer else { throw .notUnderstood }
    return answer
  }

  private func question(_ method: String, _ target: String, _ json: [UInt8]) -> [UInt8] {
    let head = """
      \(method) \(target) HTTP/1.1\r
      Host: \(host)\r
      Connection: close\r
      Content-Type: application/json\r
      Content-Length: \(json.count)\r
      \r

      """
    return Array(head.utf8) + json
  }

  /// Nil while the answer is not whole.
  private static func read(_ bytes: borrowing Span<UInt8>) -> Result<Answer, HTTPError>? {
    do throws(HTTPError) {
      var end = HeadEnd()
      guard let length = try end.find(in: bytes) else { return nil }
      let head = try ResponseHead(bytes.extracting(0..<length))
      var (framing, position, body) = (head.body(), length, [UInt8]())
      while let run = try framing.next(bytes, &position) {
        body += [UInt8](copying: bytes.extracting(run))
      }
      return framing.isComplete ? .success(Answer(status: head.status, body: body)) : nil
    } catch {
      return .failure(error)
    }
  }
}

extension HTTPConversation.Fault {
  fileprivate init(_ fault: SocketConversation.Fault) {
    switch fault {
    case .unreachable(let errno): self = .unreachable(errno: errno)
    case .answerTooLong: self = .notUnderstood
    }
  }
}

/// An answer on its way, of which only the head, and the body of a refusal, are kept.
private struct Download: ~Copyable {
  private static let refusalBytesMax = 64 << 10
  private var received = ByteBuffer()
  private var head: (status: Int, framing: BodyFraming)?
  private var refusal: [UInt8] = []
  /// Set with the last byte.
  private(set) var answer: HTTPConversation.Answer?

  /// False once it is whole, or cannot become so.
  mutating func goesOn(
    with piece: borrowing Span<UInt8>, _ take: (borrowing Span<UInt8>) -> Bool
  ) -> Bool {
    received.append(piece)
    do throws(HTTPError) {
      if head == nil {
        var end = HeadEnd()
        guard let length = try end.find(in: received.span) else { return true }
        let read = try ResponseHead(received.span.extracting(0..<length))
        head = (read.status, read.body())
        received.consume(length)
      }
      return try passBody(take)
    } catch {
      return false
    }
  }

  private mutating func passBody(
    _ take: (borrowing Span<UInt8>) -> Bool
  ) throws(HTTPError) -> Bool {
    guard let status = head?.status, var framing = head?.framing else { return false }
    var position = 0
    while let run = try framing.next(received.span, &position) {
      if (200..<300).contains(status) {
        guard take(received.span.extracting(run)) else { return false }
      } else {
        refusal += Array(copying: received.span.extracting(run))
        guard refusal.count <= Self.refusalBytesMax else { return false }
      }
    }
    received.consume(position)
    head?.framing = framing
    if framing.isComplete { answer = HTTPConversation.Answer(status: status, body: refusal) }
    return !framing.isComplete
  }
}
