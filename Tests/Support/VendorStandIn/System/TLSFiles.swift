import COpenSSL

/// Why a certificate and key cannot be served, in the words of Go's TLS loader.
enum TLSFault: Error {
  case file(FileFault)
  case noCertificate, noKey, mismatch

  var goText: String {
    switch self {
    case .file(let fault): fault.goText
    case .noCertificate: "tls: failed to find any PEM data in certificate input"
    case .noKey: "tls: failed to find any PEM data in key input"
    case .mismatch: "tls: private key does not match public key"
    }
  }
}

/// The certificate and key files, read anew at each handshake as the vendor does.
struct TLSFiles: Sendable {
  let certificatePath: String
  let keyPath: String

  /// Loads both files as a handshake would.
  func check() throws(TLSFault) {
    let context = unsafe try load()
    unsafe SSL_CTX_free(context)
  }

  /// Completes the server's side of a handshake; nil when either side is at fault.
  func accept(socket: Int32) -> TLSSession? {
    guard let context = unsafe try? load() else { return nil }
    defer { unsafe SSL_CTX_free(context) }
    // Safe: SSL_new takes its own reference on the context; the session frees the handle.
    guard let handle = unsafe SSL_new(context) else { return nil }
    unsafe SSL_set_fd(handle, socket)
    guard unsafe SSL_accept(handle) == 1 else {
      unsafe SSL_free(handle)
      return nil
    }
    return unsafe TLSSession(handle: handle)
  }

  private func load() throws(TLSFault) -> OpaquePointer {
    guard try holdsPEM(certificatePath) else { throw .noCertificate }
    guard try holdsPEM(keyPath) else { throw .noKey }
    guard let context = unsafe SSL_CTX_new(TLS_server_method()) else { throw .noCertificate }
    // Safe: the context is live, and freed on each way out that does not hand it on. The second
    // call fails for a key that is not the certificate's.
    guard unsafe SSL_CTX_use_certificate_chain_file(context, certificatePath) == 1,
      unsafe SSL_CTX_use_PrivateKey_file(context, keyPath, SSL_FILETYPE_PEM) == 1
    else {
      unsafe SSL_CTX_free(context)
      throw .mismatch
    }
    return unsafe context
  }

  private func holdsPEM(_ path: String) throws(TLSFault) -> Bool {
    do throws(FileFault) {
      return try Files.read(path).index(of: Bytes("-----BEGIN")) != nil
    } catch {
      throw .file(error)
    }
  }
}

/// One TLS connection in blocking use. Safe: it alone owns the handle, for its whole life.
@safe final class TLSSession {
  private let handle: OpaquePointer

  init(handle: OpaquePointer) { unsafe self.handle = handle }

  deinit { unsafe SSL_free(handle) }

  func read(into buffer: inout Bytes) -> Int {
    // Safe: OpenSSL writes at most the length it is told.
    unsafe buffer.withUnsafeMutableBytes {
      Int(unsafe SSL_read(handle, $0.baseAddress, Int32(clamping: $0.count)))
    }
  }

  func write(_ content: Bytes) -> Bool {
    guard !content.isEmpty else { return true }
    var written = 0
    // Safe: the array outlives the call. Blocking mode writes all or fails.
    return unsafe content.withUnsafeBytes {
      unsafe SSL_write_ex(handle, $0.baseAddress, $0.count, &written)
    } == 1
  }
}
