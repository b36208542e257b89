internal import COpenSSL
public import PMSystem

/// AES-256 in Galois/Counter Mode (NIST SP 800-38D) under one key, with nonces of 12 bytes and tags
/// of 16. The caller never uses a nonce twice under one key.
@safe public final class AES256GCM {
  public static let keyByteCount = 32
  public static let nonceByteCount = 12
  public static let tagByteCount = 16

  private let context: OpaquePointer

  /// `key` has 32 bytes.
  public init(key: borrowing Span<UInt8>) throws(CryptoError) {
    precondition(key.count == Self.keyByteCount, "a key of AES-256")
    guard let cipher = unsafe EVP_CIPHER_fetch(nil, "AES-256-GCM", nil) else { throw .unavailable }
    // The context holds a reference of its own.
    defer { unsafe EVP_CIPHER_free(cipher) }
    guard let context = unsafe EVP_CIPHER_CTX_new() else { throw .unavailable }
    unsafe self.context = context
    // From here on deinit frees the context, even when the initialiser throws.
    let done = unsafe key.withUnsafeBufferPointer {
      unsafe EVP_CipherInit_ex2(context, cipher, $0.baseAddress, nil, 1, nil)
    }
    guard done == 1 else { throw .unavailable }
  }

  /// Overwrites the key before its memory is given back.
  deinit { unsafe EVP_CIPHER_CTX_free(context) }

  /// Appends the ciphertext of `plain`, which is as long, and the tag over it and `associated`.
  public func seal(
    _ plain: borrowing Span<UInt8>, nonce: borrowing Span<UInt8>,
    associated: borrowing Span<UInt8>, into out: inout ByteBuffer
  ) {
    begin(nonce, associated, isSealing: true)
    run(plain, into: &out)
    var end: Int32 = 0
    _ = unsafe out.fill(upTo: Self.tagByteCount) { tag in
      // Without padding the end of a message gives no bytes; the tag has the length that was asked.
      let done = unsafe EVP_CipherFinal_ex(
        context, tag.bindMemory(to: UInt8.self).baseAddress, &end)
      precondition(done == 1 && end == 0, "a stream cipher holds nothing back")
      let told = unsafe EVP_CIPHER_CTX_ctrl(
        context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagByteCount), tag.baseAddress)
      precondition(told == 1, "a sealed message has a tag")
      return Self.tagByteCount
    }
  }

  /// Appends what was sealed. False, and nothing appended, unless every bit of ciphertext, tag,
  /// nonce and `associated` is the one that was sealed.
  public func open(
    _ sealed: borrowing Span<UInt8>, nonce: borrowing Span<UInt8>,
    associated: borrowing Span<UInt8>, into out: inout ByteBuffer
  ) -> Bool {
    guard sealed.count >= Self.tagByteCount else { return false }
    let length = sealed.count - Self.tagByteCount
    let before = out.count
    begin(nonce, associated, isSealing: false)
    run(sealed.extracting(0..<length), into: &out)
    var tag = Array(copying: sealed.extracting(length..<sealed.count))
    var nothing = [UInt8](repeating: 0, count: Self.tagByteCount)
    var end: Int32 = 0
    let isGenuine = unsafe tag.withUnsafeMutableBytes { tag in
      unsafe nothing.withUnsafeMutableBufferPointer { nothing in
        // The library compares in constant time.
        unsafe EVP_CIPHER_CTX_ctrl(
          context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagByteCount), tag.baseAddress) == 1
          && EVP_CipherFinal_ex(context, nothing.baseAddress, &end) == 1
      }
    }
    if !isGenuine { out.truncate(to: before) }
    return isGenuine
  }

  private func begin(
    _ nonce: borrowing Span<UInt8>, _ associated: borrowing Span<UInt8>, isSealing: Bool
  ) {
    precondition(nonce.count == Self.nonceByteCount, "a nonce of this mode")
    let count = Int32(associated.count)
    var taken: Int32 = 0
    let done = unsafe nonce.withUnsafeBufferPointer { nonce in
      unsafe associated.withUnsafeBufferPointer { associated in
        // Without a cipher and a key the context goes on with those that it has.
        unsafe EVP_CipherInit_ex2(context, nil, nil, nonce.baseAddress, isSealing ? 1 : 0, nil) == 1
          && (count == 0
            || EVP_CipherUpdate(context, nil, &taken, associated.baseAddress, count) == 1)
      }
    }
    precondition(done, "a keyed context takes a nonce")
  }

  private func run(_ bytes: borrowing Span<UInt8>, into out: inout ByteBuffer) {
    let count = bytes.count
    if count == 0 { return }
    _ = unsafe out.fill(upTo: count) { target in
      var written: Int32 = 0
      // The mode writes as many bytes as it reads.
      let done = unsafe bytes.withUnsafeBufferPointer {
        unsafe EVP_CipherUpdate(
          context, target.bindMemory(to: UInt8.self).baseAddress, &written, $0.baseAddress,
          Int32(count))
      }
      precondition(done == 1 && written == count, "a context with a nonce takes bytes")
      return count
    }
  }
}
