import COpenSSL

/// SHA-256, by OpenSSL.
enum Digest {
  private static let sha256Bytes = 32

  static func sha256(_ content: Bytes) -> Bytes {
    var digest = Bytes(repeating: 0, count: sha256Bytes)
    // Safe: both arrays outlive the call, and the digest has the length the algorithm writes.
    unsafe content.withUnsafeBytes { input in
      unsafe digest.withUnsafeMutableBufferPointer { output in
        _ = unsafe EVP_Digest(
          input.baseAddress, input.count, output.baseAddress, nil, EVP_sha256(), nil)
      }
    }
    return digest
  }
}
