import COpenSSL
import PMSystem

@testable import PMTLS

/// A TLS client over OpenSSL's own memory BIOs, for the other end of a session.
@safe final class PlayedClient {
  struct Settings {
    var version: Int32 = 0
    var protocols: [String] = []
    var cipherSuites: String?
    var groups: String?
  }

  private let context: OpaquePointer
  private let ssl: OpaquePointer
  private let incoming: OpaquePointer
  private let outgoing: OpaquePointer
  private(set) var hasFailed = false
  private(set) var isEstablished = false
  private(set) var hasEnded = false

  /// Nil if OpenSSL does not take the settings.
  init?(_ settings: Settings = Settings(), resuming session: ClientSession? = nil) {
    guard let context = unsafe SSL_CTX_new(TLS_client_method()), let ssl = unsafe SSL_new(context),
      let incoming = unsafe BIO_new(BIO_s_mem()), let outgoing = unsafe BIO_new(BIO_s_mem())
    else { return nil }
    unsafe (self.context, self.ssl, self.incoming, self.outgoing) = (
      context, ssl, incoming, outgoing
    )
    unsafe SSL_set_bio(ssl, incoming, outgoing)
    unsafe SSL_set_connect_state(ssl)
    // Level 0: old versions must be refused by the server, not by this side.
    unsafe SSL_set_security_level(ssl, 0)
    unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(settings.version), nil)
    unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(settings.version), nil)
    if let suites = settings.cipherSuites {
      guard unsafe SSL_set_cipher_list(ssl, suites) == 1 else { return nil }
    }
    if let groups = settings.groups {
      var text = Array(groups.utf8CString)
      guard unsafe SSL_ctrl(ssl, SSL_CTRL_SET_GROUPS_LIST, 0, &text) == 1 else { return nil }
    }
    let offered = settings.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    if !offered.isEmpty {
      guard unsafe SSL_set_alpn_protos(ssl, offered, UInt32(offered.count)) == 0 else { return nil }
    }
    if let session {
      guard unsafe SSL_set_session(ssl, session.pointer) == 1 else { return nil }
    }
  }

  deinit {
    unsafe SSL_free(ssl)
    unsafe SSL_CTX_free(context)
  }

  /// Takes what the server said and goes on; gives what it wants to say.
  func exchange(_ received: [UInt8] = []) -> [UInt8] {
    if !received.isEmpty { unsafe BIO_write(incoming, received, Int32(received.count)) }
    ERR_clear_error()
    if !isEstablished {
      let result = unsafe SSL_do_handshake(ssl)
      isEstablished = result == 1
      note(result)
    }
    return pending()
  }

  private func note(_ result: Int32) {
    if result > 0 { return }
    switch unsafe SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: break
    case SSL_ERROR_ZERO_RETURN: hasEnded = true
    default: hasFailed = true
    }
  }

  private func pending() -> [UInt8] {
    var bytes = [UInt8](
      repeating: 0, count: Int(unsafe BIO_ctrl(outgoing, BIO_CTRL_PENDING, 0, nil)))
    if bytes.isEmpty { return [] }
    let count = unsafe BIO_read(outgoing, &bytes, Int32(bytes.count))
    return Array(bytes.prefix(Int(max(0, count))))
  }

  /// The ciphertext of these bytes.
  func write(_ bytes: [UInt8]) -> [UInt8] {
    ERR_clear_error()
    note(unsafe SSL_write(ssl, bytes, Int32(bytes.count)))
    return pending()
  }

  /// The plaintext that has arrived.
  func read() -> [UInt8] {
    var (all, piece) = ([UInt8](), [UInt8](repeating: 0, count: 16_384))
    while true {
      ERR_clear_error()
      let count = unsafe SSL_read(ssl, &piece, Int32(piece.count))
      guard count > 0 else {
        note(count)
        return all
      }
      all += piece.prefix(Int(count))
    }
  }

  func close() -> [UInt8] {
    ERR_clear_error()
    unsafe SSL_shutdown(ssl)
    return pending()
  }

  /// Asks for a second handshake within the first (TLS 1.2).
  func renegotiate() -> [UInt8] {
    ERR_clear_error()
    unsafe SSL_renegotiate(ssl)
    note(unsafe SSL_do_handshake(ssl))
    return pending()
  }

  var version: String { unsafe String(cString: SSL_get_version(ssl)) }
  var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

  var agreedProtocol: String {
    var (text, count): (UnsafePointer<UInt8>?, UInt32) = (nil, 0)
    unsafe SSL_get0_alpn_selected(ssl, &text, &count)
    guard let text = unsafe text else { return "" }
    return unsafe String(
      decoding: UnsafeBufferPointer(start: text, count: Int(count)), as: UTF8.self)
  }

  /// What a later client needs in order to resume.
  var session: ClientSession? {
    guard let session = unsafe SSL_get1_session(ssl) else { return nil }
    return unsafe ClientSession(session)
  }

  /// True if the server's certificate speaks for the host.
  func serverSpeaksFor(host: String) -> Bool {
    guard let certificate = unsafe SSL_get1_peer_certificate(ssl) else { return false }
    defer { unsafe X509_free(certificate) }
    return unsafe X509_check_host(certificate, host, 0, 0, nil) == 1
  }
  func serverSpeaksFor(address: String) -> Bool {
    guard let certificate = unsafe SSL_get1_peer_certificate(ssl) else { return false }
    defer { unsafe X509_free(certificate) }
    return unsafe X509_check_ip_asc(certificate, address, 0) == 1
  }
}

@safe final class ClientSession {
  let pointer: OpaquePointer
  init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }
  deinit { unsafe SSL_SESSION_free(pointer) }
}

/// A server's session with the buffers of its loop.
final class PlayedServer {
  let pipe: TLSPipe
  let session: TLSSession
  private(set) var plaintext: [UInt8] = []

  init(_ context: TLSContext, _ pipe: TLSPipe) throws {
    self.pipe = pipe
    session = try TLSSession(context, pipe)
  }

  /// Takes ciphertext, and gives what the session wants to say.
  func exchange(_ received: [UInt8]) -> [UInt8] {
    var ciphertext = ByteBuffer()
    var decrypted = ByteBuffer()
    ciphertext.append(received)
    _ = session.receive(ciphertext, into: &decrypted)
    plaintext += decrypted.bytes
    return said()
  }

  func send(_ bytes: [UInt8]) -> [UInt8]? { session.send(bytes.span) ? said() : nil }

  func close() -> [UInt8] {
    session.sendClose()
    return said()
  }

  private func said() -> [UInt8] {
    defer { pipe.output.clear() }
    return pipe.output.bytes
  }

  /// Goes on until neither side has anything to say; pieces of at most `step` bytes.
  func shakeHands(with client: PlayedClient, inStepsOf step: Int = .max) {
    var toServer = client.exchange()
    for _ in 0..<10 where !toServer.isEmpty {
      var toClient: [UInt8] = []
      while !toServer.isEmpty {
        toClient += exchange(Array(toServer.prefix(step)))
        toServer.removeFirst(min(step, toServer.count))
      }
      toServer = []
      while !toClient.isEmpty {
        toServer += client.exchange(Array(toClient.prefix(step)))
        toClient.removeFirst(min(step, toClient.count))
      }
    }
  }
}
