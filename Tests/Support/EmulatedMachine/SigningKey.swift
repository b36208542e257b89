import COpenSSL
import Vectors

/// A private key of the vectors; no secret.
@safe public struct SigningKey: Sendable {
  private let der: [UInt8]

  /// Reads `synthetic/keys/NAME.key.der` (PKCS#8).
  public init(_ name: String) throws {
    der = try Vectors.file("synthetic/keys/\(name).key.der")
  }

  /// ECDSA in DER, or RSASSA-PKCS1-v1_5, as the key is.
  public func signature(of message: [UInt8], digest: String) throws(EmulationError) -> [UInt8] {
    try unsafe withKey { key in
      guard let context = unsafe EVP_MD_CTX_new() else { return nil }
      defer { unsafe EVP_MD_CTX_free(context) }
      var bytes = [UInt8](repeating: 0, count: 512)
      var count = bytes.count
      guard
        unsafe EVP_DigestSignInit_ex(context, nil, digest, nil, nil, key, nil) == 1,
        unsafe EVP_DigestSign(context, &bytes, &count, message, message.count) == 1
      else { return nil }
      return Array(bytes[0..<count])
    }
  }

  /// Of an RSA key, big endian.
  public func modulus() throws(EmulationError) -> [UInt8] {
    try unsafe withKey { key in
      var number: OpaquePointer?
      guard unsafe EVP_PKEY_get_bn_param(key, "n", &number) == 1, let number = unsafe number
      else { return nil }
      defer { unsafe BN_free(number) }
      var bytes = [UInt8](repeating: 0, count: (Int(unsafe BN_num_bits(number)) + 7) / 8)
      unsafe BN_bn2bin(number, &bytes)
      return bytes
    }
  }

  private func withKey(_ body: (OpaquePointer) -> [UInt8]?) throws(EmulationError) -> [UInt8] {
    let key = unsafe der.withUnsafeBufferPointer { bytes in
      var start = bytes.baseAddress
      return unsafe d2i_AutoPrivateKey(nil, &start, bytes.count)
    }
    guard let key = unsafe key else { throw .key }
    defer { unsafe EVP_PKEY_free(key) }
    guard let result = unsafe body(key) else { throw .key }
    return result
  }
}

/// Why an emulation cannot do its work; in a test that is a failure.
public enum EmulationError: Error {
  case key, vector, program, answer
}
