internal import COpenSSL

/// A key that signs by Ed25519 (RFC 8032, section 5.1): equal messages have equal signatures, and
/// none needs a random number. The library keeps its secret half.
@safe public final class Ed25519Key {
  /// Bytes of the secret half; any 32 random ones are a key.
  public static let seedBytes = 32

  private let key: OpaquePointer
  public let publicKey: Ed25519PublicKey

  /// The key of this secret, which the caller wipes.
  public init(seed: borrowing Span<UInt8>) throws(CryptoError) {
    let count = seed.count
    let made = unsafe seed.withUnsafeBufferPointer {
      unsafe EVP_PKEY_new_raw_private_key_ex(
        nil, Ed25519PublicKey.algorithm, nil, $0.baseAddress, count)
    }
    guard let key = unsafe made else {
      ERR_clear_error()
      throw .unavailable
    }
    var bytes = [UInt8](repeating: 0, count: Ed25519PublicKey.byteCount)
    var length = bytes.count
    // The library writes at most `length` bytes.
    let done = unsafe bytes.withUnsafeMutableBufferPointer {
      unsafe EVP_PKEY_get_raw_public_key(key, $0.baseAddress, &length)
    }
    guard done == 1, let publicKey = Ed25519PublicKey(bytes.span) else {
      unsafe EVP_PKEY_free(key)
      throw .unavailable
    }
    unsafe self.key = key
    self.publicKey = publicKey
  }

  deinit { unsafe EVP_PKEY_free(key) }

  /// The signature of a whole message, 64 bytes.
  public func signature(of message: borrowing Span<UInt8>) throws(CryptoError) -> [UInt8] {
    guard let context = unsafe EVP_MD_CTX_new() else { throw .unavailable }
    defer { unsafe EVP_MD_CTX_free(context) }
    // The digest is part of the algorithm, so none is named (EVP_SIGNATURE-ED25519(7)).
    guard unsafe EVP_DigestSignInit_ex(context, nil, nil, nil, nil, key, nil) == 1 else {
      throw .unavailable
    }
    var signature = [UInt8](repeating: 0, count: Ed25519PublicKey.signatureBytes)
    var length = signature.count
    let count = message.count
    // The library writes at most `length` bytes.
    let done = unsafe message.withUnsafeBufferPointer { message in
      unsafe signature.withUnsafeMutableBufferPointer {
        unsafe EVP_DigestSign(context, $0.baseAddress, &length, message.baseAddress, count)
      }
    }
    guard done == 1, length == signature.count else { throw .unavailable }
    return signature
  }
}

/// The public half of an Ed25519 key.
public struct Ed25519PublicKey: Equatable, Sendable {
  public static let byteCount = 32
  public static let signatureBytes = 64
  static let algorithm = "ED25519"

  /// As RFC 8032, section 5.1.2 encodes the point.
  public let bytes: [UInt8]

  /// Nil unless there are exactly 32 bytes. Whether they are a point shows when they verify.
  public init?(_ bytes: borrowing Span<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    var copy: [UInt8] = []
    for index in bytes.indices { copy.append(bytes[index]) }
    self.bytes = copy
  }

  /// Reads 64 lower-case digits; nil if it is anything else.
  public init?(hex text: String) {
    guard let bytes = Hex.canonicalBytes(text) else { return nil }
    self.init(bytes.span)
  }

  /// 64 lower-case digits.
  public var hex: String { Hex.text(bytes.span) }

  /// True if `signature` is this key's over `message` (RFC 8032, section 5.1.7). False too where
  /// the bytes of the key are no point.
  public func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
    // Nothing of a refused signature may be taken for an error of a later call.
    defer { ERR_clear_error() }
    // The array lives for the call.
    let made = unsafe EVP_PKEY_new_raw_public_key_ex(
      nil, Self.algorithm, nil, bytes, bytes.count)
    guard let key = unsafe made else { return false }
    defer { unsafe EVP_PKEY_free(key) }
    guard let context = unsafe EVP_MD_CTX_new() else { return false }
    defer { unsafe EVP_MD_CTX_free(context) }
    guard unsafe EVP_DigestVerifyInit_ex(context, nil, nil, nil, nil, key, nil) == 1 else {
      return false
    }
    return unsafe EVP_DigestVerify(
      context, signature, signature.count, message, message.count) == 1
  }
}
