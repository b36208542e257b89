internal import COpenSSL

/// SHA-256 (FIPS 180-4) with a context that is used again and again: a fetched algorithm makes a
/// digest four times cheaper than the one-shot call.
@safe public final class SHA256 {
  private let algorithm: OpaquePointer
  private let context: OpaquePointer

  public init() throws(CryptoError) {
    guard let algorithm = unsafe EVP_MD_fetch(nil, "SHA256", nil) else { throw .unavailable }
    guard let context = unsafe EVP_MD_CTX_new() else {
      unsafe EVP_MD_free(algorithm)
      throw .unavailable
    }
    unsafe (self.algorithm, self.context) = (algorithm, context)
    begin()
  }

  deinit {
    unsafe EVP_MD_CTX_free(context)
    unsafe EVP_MD_free(algorithm)
  }

  private func begin() {
    let done = unsafe EVP_DigestInit_ex2(context, algorithm, nil)
    precondition(done == 1, "a made context can be used again")
  }

  /// Takes in the next bytes of a message.
  public func update(_ bytes: borrowing Span<UInt8>) {
    let count = bytes.count
    let done = unsafe bytes.withUnsafeBufferPointer {
      unsafe EVP_DigestUpdate(context, $0.baseAddress, count)
    }
    precondition(done == 1, "an initialised context takes bytes")
  }

  /// Takes in a digest as the next 32 bytes of a message.
  public func update(_ digest: Digest256) {
    // Any value may be read as bytes.
    let done = unsafe withUnsafeBytes(of: digest.words) {
      unsafe EVP_DigestUpdate(context, $0.baseAddress, $0.count)
    }
    precondition(done == 1, "an initialised context takes bytes")
  }

  /// The digest of all bytes since the last `finish`.
  public func finish() -> Digest256 {
    var words = SIMD4<UInt64>()
    // A digest of this algorithm is as long as the four words.
    let done = unsafe withUnsafeMutableBytes(of: &words) {
      unsafe EVP_DigestFinal_ex(context, $0.bindMemory(to: UInt8.self).baseAddress, nil)
    }
    precondition(done == 1, "an initialised context gives a digest")
    begin()
    return Digest256(words: words)
  }

  /// The digest of one whole message.
  public func digest(of bytes: borrowing Span<UInt8>) -> Digest256 {
    update(bytes)
    return finish()
  }
}
