internal import COpenSSL

/// The server side of TLS 1.2 and 1.3 for one event loop: contexts are not shared between threads,
/// so that their locks and counters stay on one core.
@safe public final class TLSContext {
  /// Bytes that `ticketKey` must have: name, MAC key and cipher key of OpenSSL's default format.
  public static let ticketKeyBytes = 80

  let pointer: OpaquePointer

  /// Ready to serve with `certified`. All contexts of a process get the same random `ticketKey`, so
  /// that a session resumes on any of them.
  public init(_ certified: CertifiedKey, ticketKey: [UInt8]) throws(TLSError) {
    precondition(ticketKey.count == Self.ticketKeyBytes, "a ticket key has a fixed length")
    guard let context = unsafe SSL_CTX_new(TLS_server_method()) else { throw .library }
    unsafe pointer = context
    // From here on deinit frees the context, even when the initialiser throws.
    try configure(ticketKey)
    try install(certified)
  }

  deinit { unsafe SSL_CTX_free(pointer) }

  private func configure(_ ticketKey: [UInt8]) throws(TLSError) {
    try control(SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION))
    let modes = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS
    try control(SSL_CTRL_MODE, Int(modes))
    // Without read-ahead OpenSSL reads each record in two steps.
    try control(SSL_CTRL_SET_READ_AHEAD, 1, zeroIsFailure: false)
    try control(SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), zeroIsFailure: false)
    let options = Self.noRenegotiation | Self.noCompression | Self.serverPreference
    unsafe SSL_CTX_set_options(pointer, options)
    unsafe SSL_CTX_set_num_tickets(pointer, 1)
    try setGroups()
    try setCiphers()
    var key = ticketKey
    let done = unsafe key.withUnsafeMutableBytes {
      unsafe SSL_CTX_ctrl(
        pointer, SSL_CTRL_SET_TLSEXT_TICKET_KEYS, $0.count, $0.baseAddress)
    }
    guard done == 1 else { throw .library }
    unsafe SSL_CTX_set_alpn_select_cb(pointer, selectHTTP, nil)
  }

  // SSL_OP_* are macros that Swift does not import (openssl/ssl.h, SSL_OP_BIT).
  private static let noRenegotiation: UInt64 = 1 << 30
  private static let noCompression: UInt64 = 1 << 17
  private static let serverPreference: UInt64 = 1 << 22

  private func control(
    _ command: Int32, _ value: Int, zeroIsFailure: Bool = true
  ) throws(TLSError) {
    let result = unsafe SSL_CTX_ctrl(pointer, command, value, nil)
    guard result != 0 || !zeroIsFailure else { throw .library }
  }

  private func setGroups() throws(TLSError) {
    // X25519 first: it costs less than P-256 on both sides.
    var groups = Array("X25519:P-256".utf8CString)
    guard unsafe SSL_CTX_ctrl(pointer, SSL_CTRL_SET_GROUPS_LIST, 0, &groups) == 1 else {
      throw .library
    }
  }

  private func setCiphers() throws(TLSError) {
    // TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325, 4.2).
    let suites =
      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
      + ":ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
      + ":ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    guard unsafe SSL_CTX_set_cipher_list(pointer, suites) == 1 else { throw .library }
  }

  private func install(_ certified: CertifiedKey) throws(TLSError) {
    guard unsafe SSL_CTX_use_certificate(pointer, certified.leaf.pointer) == 1,
      unsafe SSL_CTX_use_PrivateKey(pointer, certified.key.pointer) == 1
    else { throw .library }
    for certificate in certified.chain {
      // 1: the context takes a reference of its own.
      let added = unsafe SSL_CTX_ctrl(
        pointer, SSL_CTRL_CHAIN_CERT, 1, UnsafeMutableRawPointer(certificate.pointer))
      guard added == 1 else { throw .library }
    }
  }
}

/// Chooses `http/1.1`, else `http/1.0` (RFC 7301). A client that offers protocols, but neither of
/// them, is refused.
private let selectHTTP:
  @convention(c) (
    OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
    UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
  ) -> Int32 = { _, chosen, chosenLength, offered, offeredLength, _ in
    // The list is `offeredLength` bytes of length-prefixed names; the answer points into it.
    guard let offered = unsafe offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let list = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredLength))
    guard let name = unsafe range(of: "http/1.1", in: list) ?? range(of: "http/1.0", in: list)
    else {
      return SSL_TLSEXT_ERR_ALERT_FATAL
    }
    unsafe chosen?.pointee = offered + name.lowerBound
    unsafe chosenLength?.pointee = UInt8(name.count)
    return SSL_TLSEXT_ERR_OK
  }

/// Where a name stands in a list of length-prefixed names.
private func range(of wanted: StaticString, in list: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
  var position = 0
  while position < list.count {
    // Every index is checked against the list before it is read.
    let start = position + 1
    let end = unsafe start + Int(list[position])
    guard end <= list.count else { return nil }
    if end - start == wanted.utf8CodeUnitCount {
      let isWanted = (start..<end).allSatisfy {
        unsafe list[$0] == wanted.utf8Start[$0 - start]
      }
      if isWanted { return start..<end }
    }
    position = end
  }
  return nil
}
