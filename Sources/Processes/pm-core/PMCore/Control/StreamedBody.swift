import PMSystem
import Synchronization

/// A body that a thread makes while it is sent, for what is too large to be held: the loop's end of
/// a stream that gives it in the chunked coding (RFC 9112, 7.1). It ends without the last chunk if
/// something went wrong. Whoever drops it ends the thread's work.
final class StreamedBody: Sendable, Equatable {
  private let socket: Mutex<OwnedDescriptor?>

  init(_ socket: consuming OwnedDescriptor) { self.socket = Mutex(consume socket) }

  /// The stream, once.
  func take() -> OwnedDescriptor? { socket.withLock { $0.take() } }

  static func == (a: StreamedBody, b: StreamedBody) -> Bool { a === b }
}
