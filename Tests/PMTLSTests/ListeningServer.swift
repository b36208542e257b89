import Glibc
import PMSystem
import PMTLS

/// A server on a loopback port for one client: what a client of ours meets.
final class ListeningServer: Sendable {
  enum Manner: Sendable {
    /// Handshake, then each message back as it came, until the client leaves.
    case echoes
    /// Handshake, then nothing for as long as the client stays.
    case fallsSilent
    /// Takes the connection and says nothing at all.
    case neverGreets
    /// Another protocol.
    case speaksPlainText
    /// Handshake, then the end of TCP without a farewell.
    case breaksOff
  }

  let port: UInt16
  /// Longer than any test waits.
  private static let secondsMax: UInt64 = 20

  init(_ manner: Manner, _ files: SelfSignedCertificate) throws {
    let listener = try TCPSocket.listen(port: 0, loopbackOnly: true)
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let number = listener.number
    _ = unsafe withUnsafeMutablePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(number, $0, &length)
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    let own = listener.surrender()
    try startThread {
      guard let listener = OwnedDescriptor(result: own) else { return }
      Self.serve(listener, manner, files)
    }
  }

  private static func serve(
    _ listener: borrowing OwnedDescriptor, _ manner: Manner, _ files: SelfSignedCertificate
  ) {
    let end = Instant.now().adding(seconds: secondsMax)
    while Instant.now() < end {
      if case .connection(let socket, _) = accept(from: listener) {
        _ = try? converse(socket, manner, files, until: end)
        return
      }
      OwnProcess.pause(milliseconds: 1)
    }
  }

  private static func converse(
    _ socket: borrowing OwnedDescriptor, _ manner: Manner, _ files: SelfSignedCertificate,
    until end: Instant
  ) throws {
    let certified = try CertifiedKey(certificatePEM: files.certificatePEM, keyPEM: files.keyPEM)
    let ticketKey = [UInt8](repeating: 7, count: TLSContext.ticketKeyBytes)
    let pipe = try TLSPipe()
    let session = try TLSSession(TLSContext(certified, ticketKey: ticketKey), pipe)
    if manner == .speaksPlainText { pipe.output.append("220 mail.example ESMTP\r\n") }
    while Instant.now() < end {
      flush(pipe.output, to: socket)
      pipe.output.clear()
      var received = ByteBuffer()
      var plaintext = ByteBuffer()
      switch receive(socket, into: &received, upTo: 32 << 10) {
      case .bytes: break
      case .wouldBlock:
        OwnProcess.pause(milliseconds: 1)
        continue
      case .ended, .failed: return
      }
      if manner == .neverGreets || manner == .speaksPlainText { continue }
      let state = session.receive(received, into: &plaintext)
      if manner == .echoes, !plaintext.isEmpty { _ = session.send(plaintext.span) }
      if manner == .breaksOff, state == .established, !plaintext.isEmpty { return }
    }
  }
}

/// What the tests send fits into the socket's buffer.
private func flush(_ output: borrowing ByteBuffer, to socket: borrowing OwnedDescriptor) {
  _ = send(output.span, to: socket)
}
