/// One question and its answer on a Unix socket, for threads that may wait.
public struct SocketConversation: Sendable {
  public enum Fault: Error, Equatable, Sendable {
    /// No connection, or it broke or fell silent before the answer was whole; with errno where
    /// there is one.
    case unreachable(errno: Int32)
    case answerTooLong
  }

  private let path: String
  private let silenceSecondsMax: Int
  private let answerBytesMax: Int
  private static let receiveBytesMax = 64 << 10

  /// No receive waits longer than `silenceSecondsMax`, and the whole no longer than twice that.
  public init(path: String, silenceSecondsMax: Int, answerBytesMax: Int) {
    self.path = path
    self.silenceSecondsMax = silenceSecondsMax
    self.answerBytesMax = answerBytesMax
  }

  /// Sends `question`, then hands everything received so far to `read` until that gives an answer.
  public func ask<Answer>(
    _ question: [UInt8], _ read: (borrowing Span<UInt8>) -> Answer?
  ) throws(Fault) -> Answer {
    let end = Instant.now().adding(seconds: UInt64(silenceSecondsMax) * 2)
    let socket = try begin(question)
    var received = ByteBuffer()
    while true {
      let transfer = receive(socket, into: &received, upTo: Self.receiveBytesMax)
      // A blocking socket that would block has waited its time.
      guard transfer != .wouldBlock, transfer != .failed, Instant.now() < end else {
        throw .unreachable(errno: 0)
      }
      if let answer = read(received.span) { return answer }
      guard transfer != .ended else { throw .unreachable(errno: 0) }
      guard received.count < answerBytesMax else { throw .answerTooLong }
    }
  }

  /// Sends `question`, and hands over each piece as it comes until `take` wants no more. However
  /// long that takes: only silence is bounded.
  public func exchange(
    _ question: [UInt8], _ take: (borrowing Span<UInt8>) -> Bool
  ) throws(Fault) {
    let socket = try begin(question)
    var piece = ByteBuffer()
    while true {
      piece.clear()
      guard case .bytes = receive(socket, into: &piece, upTo: Self.receiveBytesMax) else {
        throw .unreachable(errno: 0)
      }
      if !take(piece.span) { return }
    }
  }

  private func begin(_ question: [UInt8]) throws(Fault) -> OwnedDescriptor {
    do throws(SystemError) {
      let socket = try UnixSocket.connectBlocking(path: path, seconds: silenceSecondsMax)
      var sent = 0
      while sent < question.count {
        let rest = question.span.extracting(sent..<question.count)
        guard case .bytes(let count) = send(rest, to: socket) else { throw .last(.write) }
        sent += count
      }
      return socket
    } catch {
      throw .unreachable(errno: error.number)
    }
  }
}
