public import PMSystem

/// Why a TLS connection could not be made or used.
public enum TLSConnectionError: Error, Equatable, Sendable {
  case stream(StreamFault)
  /// The other side does not speak TLS 1.2 or later, or refused ours.
  case handshake
  /// OpenSSL refused a setting or ran out of memory.
  case library
}

/// A client's TLS connection for a thread that may wait, by the deadline of the stream below it.
public final class TLSConnection {
  /// Who proved, in the handshake of this connection, to hold the certificate's key.
  public let peer: PeerCertificate
  /// What the system's roots say about that certificate; the handshake does not depend on it.
  public let trust: WebTrust
  /// Such as `TLSv1.3`.
  public let version: String
  private let stream: TCPStream
  private let session: TLSSession
  private let pipe: TLSPipe

  /// A full handshake over a fresh stream. `host` is the name or literal address that the
  /// certificate must be for.
  public init(over stream: TCPStream, host: String) throws(TLSConnectionError) {
    do throws(TLSError) {
      pipe = try TLSPipe()
      // A context of its own: sessions cannot be resumed, so there is nothing to share.
      session = try TLSSession(
        TLSClientContext(), pipe, host: host, isAddress: InternetAddress(host) != nil)
    } catch {
      throw .library
    }
    self.stream = stream
    try Self.shakeHands(stream, session, pipe)
    guard let peer = session.peerCertificate else { throw .handshake }
    (self.peer, trust, version) = (peer, session.webTrust, session.version)
  }

  private static func shakeHands(
    _ stream: TCPStream, _ session: TLSSession, _ pipe: TLSPipe
  ) throws(TLSConnectionError) {
    var received = ByteBuffer()
    var plaintext = ByteBuffer()
    do throws(StreamFault) {
      // The first time there is nothing to take, and the greeting to send.
      while session.receive(received, into: &plaintext) == .handshaking {
        try flush(pipe, stream)
        received.clear()
        guard try stream.receive(into: &received) else { throw .broken }
      }
      // A server speaks only when spoken to: data before our request is a fault.
      guard session.state == .established, plaintext.isEmpty else { throw .broken }
      try flush(pipe, stream)
    } catch {
      throw session.state == .failed ? .handshake : .stream(error)
    }
  }

  private static func flush(_ pipe: TLSPipe, _ stream: TCPStream) throws(StreamFault) {
    try stream.send(pipe.output)
    pipe.output.clear()
  }

  /// Sends all bytes.
  public func send(_ bytes: borrowing ByteBuffer) throws(TLSConnectionError) {
    guard session.send(bytes.span) else { throw .stream(.broken) }
    do throws(StreamFault) {
      try Self.flush(pipe, stream)
    } catch {
      throw .stream(error)
    }
  }

  /// Appends what comes next to `buffer`; false when the other side has ended.
  public func receive(into buffer: inout ByteBuffer) throws(TLSConnectionError) -> Bool {
    let before = buffer.count
    var received = ByteBuffer()
    do throws(StreamFault) {
      while buffer.count == before {
        guard session.state == .established, try stream.receive(into: &received) else {
          return false
        }
        let state = session.receive(received, into: &buffer)
        received.clear()
        try Self.flush(pipe, stream)
        if state == .failed, buffer.count == before { throw .broken }
      }
    } catch {
      throw .stream(error)
    }
    return true
  }
}
