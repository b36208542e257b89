internal import COpenSSL

/// HMAC-SHA-256 (RFC 2104) under one key, which is worked into the context once.
@safe public final class KeyedHash {
  private let context: OpaquePointer

  public init(key: borrowing Span<UInt8>) throws(CryptoError) {
    guard let algorithm = unsafe EVP_MAC_fetch(nil, "HMAC", nil) else { throw .unavailable }
    // The context holds a reference of its own.
    defer { unsafe EVP_MAC_free(algorithm) }
    guard let context = unsafe EVP_MAC_CTX_new(algorithm) else { throw .unavailable }
    unsafe self.context = context
    // From here on deinit frees the context, even when the initialiser throws.
    var digestName = Array("SHA256".utf8CString)
    let count = key.count
    // The macro is text of ours, so the name of the parameter lives only as long as this closure.
    let done = unsafe OSSL_MAC_PARAM_DIGEST.withCString { parameterName in
      unsafe digestName.withUnsafeMutableBufferPointer { name in
        // The parameters point to both names.
        var parameters = unsafe (
          OSSL_PARAM_construct_utf8_string(parameterName, name.baseAddress, 0),
          OSSL_PARAM_construct_end()
        )
        return unsafe withUnsafePointer(to: &parameters) { pair in
          unsafe pair.withMemoryRebound(to: OSSL_PARAM.self, capacity: 2) { list in
            unsafe key.withUnsafeBufferPointer {
              unsafe EVP_MAC_init(context, $0.baseAddress, count, list)
            }
          }
        }
      }
    }
    guard done == 1 else { throw .unavailable }
  }

  deinit { unsafe EVP_MAC_CTX_free(context) }

  /// The code of one whole message.
  public func code(of bytes: borrowing Span<UInt8>) -> Digest256 {
    let count = bytes.count
    return unsafe bytes.withUnsafeBufferPointer { unsafe code(of: $0.baseAddress, count) }
  }

  /// The code of a digest's bytes.
  public func code(of digest: Digest256) -> Digest256 {
    unsafe withUnsafeBytes(of: digest.words) {
      unsafe code(of: $0.bindMemory(to: UInt8.self).baseAddress, Digest256.byteCount)
    }
  }

  private func code(of bytes: UnsafePointer<UInt8>?, _ count: Int) -> Digest256 {
    var words = SIMD4<UInt64>()
    var length = 0
    let done = unsafe withUnsafeMutableBytes(of: &words) { out in
      // Without a key the context starts anew under the key that it has (EVP_MAC(3)).
      unsafe EVP_MAC_init(context, nil, 0, nil) == 1
        && EVP_MAC_update(context, bytes, count) == 1
        && EVP_MAC_final(
          context, out.bindMemory(to: UInt8.self).baseAddress, &length, out.count) == 1
    }
    precondition(done && length == Digest256.byteCount, "a keyed context gives a code")
    return Digest256(words: words)
  }
}
