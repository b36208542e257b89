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
    let head = """
      \(method) \(target) HTTP/1.1\r
      Host: \(host)\r
      Connection: close\r
      Content-Type: application/json\r
      Content-Length: \(json.count)\r
      \r

      """
    let read: Result<Answer, HTTPError>
    do throws(SocketConversation.Fault) {
      read = try conversation.ask(Array(head.utf8) + json, Self.read)
    } catch {
      switch error {
      case .unreachable(let errno): throw .unreachable(errno: errno)
      case .answerTooLong: throw .notUnderstood
      }
    }
    guard case .success(let answer) = read else { throw .notUnderstood }
    return answer
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
