internal import COpenSSL

/// The hash functions of FIPS 180-4 that signed structures name.
public enum HashFunction: Sendable {
  case sha256, sha384, sha512

  /// Bytes of a digest.
  public var byteCount: Int {
    switch self {
    case .sha256: 32
    case .sha384: 48
    case .sha512: 64
    }
  }

  private var name: String {
    switch self {
    case .sha256: "SHA256"
    case .sha384: "SHA384"
    case .sha512: "SHA512"
    }
  }

  /// The digest of one whole message.
  public func digest(of bytes: borrowing Span<UInt8>) -> [UInt8] {
    let count = bytes.count
    var digest = [UInt8](repeating: 0, count: byteCount)
    // The library writes `byteCount` bytes for this algorithm.
    let done = unsafe bytes.withUnsafeBufferPointer { message in
      unsafe digest.withUnsafeMutableBufferPointer { out in
        unsafe EVP_Q_digest(
          nil, name, nil, message.baseAddress, count, out.baseAddress, nil)
      }
    }
    precondition(done == 1, "the library has this algorithm")
    return digest
  }
}

extension Digest256 {
  /// The SHA-256 of one whole message.
  public init(hashing bytes: borrowing Span<UInt8>) {
    let digest = HashFunction.sha256.digest(of: bytes)
    var words = SIMD4<UInt64>()
    // Both are 32 bytes long.
    unsafe withUnsafeMutableBytes(of: &words) { unsafe $0.copyBytes(from: digest) }
    self.init(words: words)
  }
}
