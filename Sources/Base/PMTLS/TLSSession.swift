internal import COpenSSL
public import PMSystem

/// One TLS connection without I/O: ciphertext in, plaintext out, and the other way. All sessions of
/// a loop share its `TLSPipe`.
@safe public final class TLSSession {
  /// Where a session stands after a call.
  public enum State: Sendable {
    case handshaking
    case established
    /// The peer said that it sends nothing more.
    case ended
    case failed
  }

  /// Plaintext of one record at most (RFC 8446, 5.1).
  private static let recordBytesMax = 16_384

  public private(set) var state = State.handshaking
  let ssl: OpaquePointer
  private let pipe: TLSPipe

  /// The server's side of a connection.
  public convenience init(_ context: TLSContext, _ pipe: TLSPipe) throws(TLSError) {
    try unsafe self.init(context.pointer, pipe)
    unsafe SSL_set_accept_state(ssl)
  }

  /// A session that does not know yet which side it is.
  init(_ context: OpaquePointer, _ pipe: TLSPipe) throws(TLSError) {
    guard let ssl = unsafe SSL_new(context) else { throw .library }
    guard let bio = unsafe pipe.makeBIO() else {
      unsafe SSL_free(ssl)
      throw .library
    }
    unsafe self.ssl = ssl
    self.pipe = pipe
    // The session owns the BIO from here on; one serves both directions.
    unsafe SSL_set_bio(ssl, bio, bio)
  }

  deinit { unsafe SSL_free(ssl) }

  /// Takes received ciphertext and appends what it decrypts to `plaintext`. Anything the session
  /// has to say (handshake, alerts, tickets) is in the pipe's output afterwards.
  public func receive(_ ciphertext: borrowing ByteBuffer, into plaintext: inout ByteBuffer) -> State
  {
    if state == .failed || state == .ended { return state }
    pipe.withInput(ciphertext.span) {
      if state == .handshaking { shakeHands() }
      if state == .established { decrypt(into: &plaintext) }
    }
    return state
  }

  private func shakeHands() {
    clearErrors()
    let result = unsafe SSL_do_handshake(ssl)
    if result == 1 {
      state = .established
    } else if unsafe SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ {
      state = .failed
    }
  }

  private func decrypt(into plaintext: inout ByteBuffer) {
    while true {
      clearErrors()
      var result: Int32 = 0
      // OpenSSL writes at most as much as it is told there is room for.
      let count = unsafe plaintext.fill(upTo: Self.recordBytesMax) { room in
        var count = 0
        result = unsafe SSL_read_ex(ssl, room.baseAddress, room.count, &count)
        return result == 1 ? count : 0
      }
      if count > 0 {
        // To ask once more for nothing costs as much as a small record.
        if unsafe pipe.hasInput || SSL_has_pending(ssl) == 1 { continue }
        return
      }
      switch unsafe SSL_get_error(ssl, result) {
      case SSL_ERROR_WANT_READ: break
      case SSL_ERROR_ZERO_RETURN: state = .ended
      default: state = .failed
      }
      return
    }
  }

  /// Encrypts `plaintext` into the pipe's output. False if the session is not usable.
  public func send(_ plaintext: borrowing Span<UInt8>) -> Bool {
    guard state == .established || state == .ended else { return false }
    var done = 0
    while done < plaintext.count {
      clearErrors()
      var count = 0
      // [done, plaintext.count) lies in the span.
      let result = unsafe plaintext.withUnsafeBufferPointer { bytes in
        unsafe SSL_write_ex(
          ssl, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done, &count)
      }
      guard result == 1 else {
        state = .failed
        return false
      }
      done += count
    }
    return true
  }

  /// Says that nothing more will be sent; without it a session cannot be resumed later.
  public func sendClose() {
    guard state == .established || state == .ended else { return }
    clearErrors()
    _ = unsafe SSL_shutdown(ssl)
  }

  /// True if this connection resumed an earlier one.
  public var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }
}

/// A stale error of another session would be taken for ours. Clearing goes through the whole queue,
/// so it is done only if there is one.
private func clearErrors() {
  if ERR_peek_error() != 0 { ERR_clear_error() }
}
