internal import COpenSSL
public import PMSystem

/// The owner of one private key.
@safe public final class PrivateKey {
  let pointer: OpaquePointer

  init(owning pointer: OpaquePointer) { unsafe self.pointer = pointer }
  deinit { unsafe EVP_PKEY_free(pointer) }

  /// A new key on P-256, of OpenSSL's generator, which asks the kernel's.
  public convenience init() throws(TLSError) {
    guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, "EC", nil) else { throw .library }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard unsafe EVP_PKEY_keygen_init(context) == 1,
      unsafe EVP_PKEY_CTX_set_group_name(context, "P-256") == 1,
      unsafe EVP_PKEY_generate(context, &key) == 1, let key = unsafe key
    else { throw .library }
    unsafe self.init(owning: key)
  }

  /// Reads PEM text, which the caller wipes. An encrypted key is unusable: nobody is there to type
  /// a passphrase.
  public convenience init(pem: borrowing Span<UInt8>) throws(TLSError) {
    // The memory BIO reads the span only while it is borrowed, which is inside the closure.
    let key: OpaquePointer? = unsafe pem.withUnsafeBufferPointer { bytes in
      guard let bio = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else {
        return nil
      }
      defer { unsafe BIO_free(bio) }
      let key = unsafe PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in 0 }, nil)
      ERR_clear_error()
      return unsafe key
    }
    guard let key = unsafe key else { throw .keyUnusable }
    unsafe self.init(owning: key)
  }

  /// SubjectPublicKeyInfo of its public half (RFC 5280, 4.1.2.7).
  public var publicKey: [UInt8] { unsafe DER.bytes { unsafe i2d_PUBKEY(pointer, $0) } }

  /// PKCS #8 as PEM text, which the caller wipes.
  public func pem() throws(TLSError) -> ByteBuffer {
    try unsafe PEM.text { unsafe PEM_write_bio_PrivateKey($0, pointer, nil, nil, 0, nil, nil) }
  }
}

/// What OpenSSL writes as text.
enum PEM {
  /// What `write` puts into the BIO; it gives 1 if it succeeds. OpenSSL overwrites its own copy.
  static func text(_ write: (OpaquePointer) -> Int32) throws(TLSError) -> ByteBuffer {
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { throw .library }
    defer { unsafe BIO_free(bio) }
    guard unsafe write(bio) == 1 else { throw .library }
    let count = Int(unsafe BIO_ctrl(bio, BIO_CTRL_PENDING, 0, nil))
    var text = ByteBuffer(capacityBytes: count)
    // BIO_read writes at most as much as it is told there is room for.
    let read = unsafe text.fill(upTo: count) {
      Int(unsafe BIO_read(bio, $0.baseAddress, Int32(clamping: $0.count)))
    }
    guard read == count else { throw .library }
    return text
  }
}

/// What OpenSSL writes as DER, asked for its length first.
enum DER {
  /// Empty if `write` fails.
  static func bytes(
    _ write: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
  ) -> [UInt8] {
    let length = Int(write(nil))
    guard length > 0 else { return [] }
    return unsafe [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
      var position = buffer.baseAddress
      count = Int(unsafe write(&position))
    }
  }
}
