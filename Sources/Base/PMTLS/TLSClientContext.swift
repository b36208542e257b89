internal import COpenSSL

/// The client side of TLS 1.2 and 1.3. The peer's certificate is judged by the system's roots, but
/// a bad one does not end the handshake: whoever asks may know the peer by other means.
@safe final class TLSClientContext {
  let pointer: OpaquePointer

  /// With the roots of the system, as OpenSSL finds them (`SSL_CERT_FILE`, `SSL_CERT_DIR`, else its
  /// own folder).
  init() throws(TLSError) {
    guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { throw .library }
    unsafe pointer = context
    // From here on deinit frees the context, even when the initialiser throws.
    let version = Int(TLS1_2_VERSION)
    guard unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, version, nil) == 1,
      unsafe SSL_CTX_set_default_verify_paths(context) == 1
    else { throw .library }
    // Judged and remembered; SSL_get_verify_result tells.
    unsafe SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
    // Each handshake is a full one: a resumed session shows no certificate.
    unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
    unsafe SSL_CTX_set_options(context, Self.noTickets | Self.noRenegotiation)
  }

  deinit { unsafe SSL_CTX_free(pointer) }

  // SSL_OP_* are macros that Swift does not import (openssl/ssl.h, SSL_OP_BIT).
  private static let noTickets: UInt64 = 1 << 14
  private static let noRenegotiation: UInt64 = 1 << 30
}

extension TLSSession {
  /// The client's side of a connection to `host`, a name or an address. It speaks first: receive
  /// nothing once, and the pipe holds the greeting.
  convenience init(
    _ context: TLSClientContext, _ pipe: TLSPipe, host: String, isAddress: Bool
  ) throws(TLSError) {
    try unsafe self.init(context.pointer, pipe)
    unsafe SSL_set_connect_state(ssl)
    // What the certificate must name (RFC 6125), and for names what the server is asked for (SNI).
    let isSet =
      if isAddress {
        unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
      } else {
        unsafe SSL_set1_host(ssl, host) == 1 && Self.ask(ssl, for: host)
      }
    guard isSet, offerHTTP() else { throw .library }
  }

  private static func ask(_ ssl: OpaquePointer, for host: String) -> Bool {
    var name = Array(host.utf8CString)
    let kind = Int(TLSEXT_NAMETYPE_host_name)
    // OpenSSL copies the name.
    return unsafe SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, kind, &name) == 1
  }

  private func offerHTTP() -> Bool {
    let offer = [UInt8](8...8) + Array("http/1.1".utf8)
    // Zero is success here (SSL_set_alpn_protos(3)).
    return unsafe SSL_set_alpn_protos(ssl, offer, UInt32(offer.count)) == 0
  }

  /// Such as `TLSv1.3`.
  var version: String { unsafe String(cString: SSL_get_version(ssl)) }

  /// The certificate that the peer of this very connection proved to hold the key of.
  var peerCertificate: PeerCertificate? {
    guard let pointer = unsafe SSL_get1_peer_certificate(ssl) else { return nil }
    return unsafe PeerCertificate(Certificate(owning: pointer))
  }

  /// What the system's roots say about the peer.
  var webTrust: WebTrust { WebTrust(code: unsafe SSL_get_verify_result(ssl)) }
}
