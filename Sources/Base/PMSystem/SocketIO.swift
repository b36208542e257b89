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
public func receive(
  _ descriptor: borrowing OwnedDescriptor, into buffer: inout ByteBuffer, upTo max: Int
) -> Transfer {
  let number = descriptor.number
  // The buffer has made room for max bytes.
  let n = unsafe buffer.fill(upTo: max) { unsafe recv(number, $0.baseAddress, $0.count, 0) }
  return n > 0 ? .bytes(n) : n == 0 ? .ended : transferFailure()
}

/// One send of as many of `bytes` as the socket takes.
public func send(_ bytes: borrowing Span<UInt8>, to descriptor: borrowing OwnedDescriptor) -> Transfer {
  let number = descriptor.number
  let n = unsafe bytes.withUnsafeBufferPointer {
    unsafe Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
  }
  return n >= 0 ? .bytes(n) : transferFailure()
}

private func transferFailure() -> Transfer {
  let number = pm_errno()
  return number == EAGAIN || number == EINTR ? .wouldBlock : .failed
}
