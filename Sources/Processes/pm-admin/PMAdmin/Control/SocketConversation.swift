internal import PMSystem

/// One question and its answer on a Unix socket, for threads that may wait. No receive waits longer
/// than `controlSeconds`, and the whole no longer than twice that.
struct SocketConversation {
  let path: String

  /// Sends `question`, then hands everything received so far to `read` until that gives an answer.
  func ask<Answer>(
    _ question: [UInt8],
    _ read: (borrowing Span<UInt8>) throws(ControlError) -> Answer?
  ) throws(ControlError) -> Answer {
    let end = Instant.now().adding(seconds: UInt64(AdminLimits.controlSeconds) * 2)
    let socket = try connect()
    try send(question, to: socket)
    var received = ByteBuffer()
    while true {
      let transfer = receive(socket, into: &received, upTo: Self.receiveBytesMax)
      // A blocking socket that would block has waited its time.
      guard transfer != .wouldBlock, transfer != .failed, Instant.now() < end else {
        throw .unreachable(errno: 0)
      }
      if let answer = try read(received.span) { return answer }
      guard transfer != .ended else { throw .unreachable(errno: 0) }
      guard received.count < AdminLimits.controlBytesMax else { throw .notUnderstood }
    }
  }

  private static let receiveBytesMax = 64 << 10

  private func connect() throws(ControlError) -> OwnedDescriptor {
    do throws(SystemError) {
      return try UnixSocket.connectBlocking(path: path, seconds: AdminLimits.controlSeconds)
    } catch {
      throw .unreachable(errno: error.number)
    }
  }

  private func send(
    _ question: [UInt8], to socket: borrowing OwnedDescriptor
  ) throws(ControlError) {
    var sent = 0
    while sent < question.count {
      guard
        case .bytes(let count) = PMSystem.send(
          question.span.extracting(sent..<question.count), to: socket)
      else { throw .unreachable(errno: 0) }
      sent += count
    }
  }
}
