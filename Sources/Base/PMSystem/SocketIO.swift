internal import CLinux
internal import Glibc

/// What one receive or send on a non-blocking descriptor gave.
public enum Transfer: Equatable, Sendable {
  case bytes(Int)
  case wouldBlock
  /// The peer has closed its side (receive only).
  case ended
  /// Reset, or any other error.
  case failed
}

/// One receive of up to `max` bytes to the end of `buffer`.
func receive(_ number: Int32, into buffer: inout ByteBuffer, upTo max: Int) -> Transfer {
  // The buffer has made room for max bytes.
  let n = unsafe buffer.fill(upTo: max) { unsafe recv(number, $0.baseAddress, $0.count, 0) }
  return n > 0 ? .bytes(n) : n == 0 ? .ended : transferFailure()
}

/// One send of as many of `bytes` as the socket takes.
func send(_ bytes: borrowing Span<UInt8>, toNumber number: Int32) -> Transfer {
  let n = unsafe bytes.withUnsafeBufferPointer {
    unsafe Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
  }
  return n >= 0 ? .bytes(n) : transferFailure()
}

/// One receive on a descriptor of the caller's.
public func receive(
  _ descriptor: borrowing OwnedDescriptor, into buffer: inout ByteBuffer, upTo max: Int
) -> Transfer { receive(descriptor.number, into: &buffer, upTo: max) }

/// One receive on the socket of a source.
public func receive(
  from source: EventSource, into buffer: inout ByteBuffer, upTo max: Int
) -> Transfer { receive(source.number, into: &buffer, upTo: max) }

/// One send on a descriptor of the caller's.
public func send(_ bytes: borrowing Span<UInt8>, to descriptor: borrowing OwnedDescriptor)
  -> Transfer
{
  send(bytes, toNumber: descriptor.number)
}

/// Sends all bytes, and waits for room as long as that comes in time; false if it does not, or the
/// peer has gone. For threads that may wait.
public func sendAll(
  _ bytes: borrowing Span<UInt8>, to descriptor: borrowing OwnedDescriptor, until deadline: Instant
) -> Bool {
  var done = 0
  while done < bytes.count {
    switch send(bytes.extracting(done..<bytes.count), to: descriptor) {
    case .bytes(let count): done += count
    case .wouldBlock:
      guard Waiting.isReady(descriptor.number, .writable, until: deadline) else { return false }
    case .ended, .failed: return false
    }
  }
  return true
}

/// Bytes that were sent over a Unix socket and that the peer has not read yet (SIOCOUTQ).
public func unreadBytes(sentOver source: EventSource) -> Int {
  var count: Int32 = 0
  return unsafe pm_ioctl(source.number, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : 0
}

/// True if something waits to be received on an idle connection, its end included. Looks without
/// taking.
public func hasNews(_ source: EventSource) -> Bool {
  var byte: UInt8 = 0
  let n = unsafe recv(source.number, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
  return n >= 0 || pm_errno() != EAGAIN
}

/// Ends both directions at once: a copy of the descriptor in another process keeps nothing alive.
func shutDown(descriptorNumber number: Int32) {
  if number >= 0 { _ = shutdown(number, Int32(SHUT_RDWR)) }
}

/// Says that nothing more will be sent, and goes on receiving.
public func endSending(over source: EventSource) {
  if source.number >= 0 { _ = shutdown(source.number, Int32(SHUT_WR)) }
}

private func transferFailure() -> Transfer {
  let number = pm_errno()
  return number == EAGAIN || number == EINTR ? .wouldBlock : .failed
}
