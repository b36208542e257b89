internal import COpenSSL

/// An RSA key with the exponent 65 537.
public struct RSAPublicKey: Equatable, Sendable {
  /// Big endian, without leading zeros.
  public let modulus: [UInt8]

  private static let exponent: [UInt8] = [1, 0, 1]
  /// OSSL_KEYMGMT_SELECT_PUBLIC_KEY and …_ALL_PARAMETERS of core_dispatch.h (0x02, 0x84); the macro
  /// EVP_PKEY_PUBLIC_KEY joins them and is not imported.
  private static let publicSelection: Int32 = 0x86

  /// The key with this modulus, big endian; leading zeros are dropped.
  public init(modulus: [UInt8]) { self.modulus = Array(modulus.drop { $0 == 0 }) }

  /// Bits of the modulus.
  public var bitCount: Int {
    modulus.first.map { modulus.count * 8 - $0.leadingZeroBitCount } ?? 0
  }

  /// True if `signature` is this key's RSASSA-PKCS1-v1_5 signature with SHA-256 over `message`
  /// (RFC 8017, section 8.2.2). False too where the library refuses the key.
  public func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
    // Nothing of a refused signature may be taken for an error of a later call.
    defer { ERR_clear_error() }
    guard let key = unsafe makeKey() else { return false }
    defer { unsafe EVP_PKEY_free(key) }
    guard let context = unsafe EVP_MD_CTX_new() else { return false }
    defer { unsafe EVP_MD_CTX_free(context) }
    guard unsafe EVP_DigestVerifyInit_ex(context, nil, "SHA256", nil, nil, key, nil) == 1 else {
      return false
    }
    // The arrays live for the call; PKCS#1 v1.5 is RSA's default padding (EVP_PKEY_CTX_ctrl(3)).
    return unsafe EVP_DigestVerify(
      context, signature, signature.count, message, message.count) == 1
  }

  /// The caller frees the key.
  private func makeKey() -> OpaquePointer? {
    guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, "RSA", nil) else { return nil }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    guard unsafe EVP_PKEY_fromdata_init(context) == 1 else { return nil }
    // Numbers of a parameter list are in the machine's byte order (OSSL_PARAM(3)): little endian.
    var modulus = Array(modulus.reversed())
    var exponent = Array(Self.exponent.reversed())
    var key: OpaquePointer?
    // The list points to names and numbers, so it is used within their closures only.
    let done = unsafe OSSL_PKEY_PARAM_RSA_N.withCString { n in
      unsafe OSSL_PKEY_PARAM_RSA_E.withCString { e in
        unsafe modulus.withUnsafeMutableBufferPointer { modulus in
          unsafe exponent.withUnsafeMutableBufferPointer { exponent in
            var list = unsafe [
              OSSL_PARAM_construct_BN(n, modulus.baseAddress, modulus.count),
              OSSL_PARAM_construct_BN(e, exponent.baseAddress, exponent.count),
              OSSL_PARAM_construct_end(),
            ]
            return unsafe EVP_PKEY_fromdata(context, &key, Self.publicSelection, &list)
          }
        }
      }
    }
    return done == 1 ? unsafe key : nil
  }
}
