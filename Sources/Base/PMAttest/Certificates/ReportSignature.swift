internal import COpenSSL

/// The ECDSA signature of a report: two numbers below the order of P-384, lowest byte first.
struct ReportSignature: Equatable, Sendable {
  private static let rOffset = 0x2A0
  private static let sOffset = 0x2E8
  /// A field of the report, and as much of it as a number of this curve needs.
  private static let fieldBytes = 72
  private static let numberBytes = 48

  private let r: [UInt8]
  private let s: [UInt8]

  /// Takes the signature out of a whole report; `sigRange` if a number is 0 or not below the order.
  init(_ report: [UInt8]) throws(FailureToken) {
    r = try Self.number(report.bytes(Self.rOffset, Self.fieldBytes))
    s = try Self.number(report.bytes(Self.sOffset, Self.fieldBytes))
  }

  private static func number(_ field: [UInt8]) throws(FailureToken) -> [UInt8] {
    let number = field.bytes(0, numberBytes)
    guard field.isZero(numberBytes..<fieldBytes), !number.isZero(number.indices),
      number.reversed().lexicographicallyPrecedes(order)
    else { throw .sigRange }
    return number
  }

  /// The order of the group of P-384, highest byte first (SEC 2, 2.5.1).
  private static let order: [UInt8] =
    [UInt8](repeating: 0xFF, count: 24) + [
      0xC7, 0x63, 0x4D, 0x81, 0xF4, 0x37, 0x2D, 0xDF, 0x58, 0x1A, 0x0D, 0xB2, 0x48, 0xB0, 0xA7,
      0x7A, 0xEC, 0xEC, 0x19, 0x6A, 0xCC, 0xC5, 0x29, 0x73,
    ]

  /// True if `publicKey` (SubjectPublicKeyInfo in DER) has signed `message` with SHA-384.
  func isValid(over message: ArraySlice<UInt8>, by publicKey: [UInt8]) -> Bool {
    defer { ERR_clear_error() }
    guard let signature = der else { return false }
    // The function reads within the count; both objects are freed here.
    let parsed = unsafe publicKey.withUnsafeBufferPointer { buffer in
      var position = buffer.baseAddress
      return unsafe d2i_PUBKEY(nil, &position, buffer.count)
    }
    guard let key = unsafe parsed else { return false }
    defer { unsafe EVP_PKEY_free(key) }
    guard let context = unsafe EVP_MD_CTX_new() else { return false }
    defer { unsafe EVP_MD_CTX_free(context) }
    guard unsafe EVP_DigestVerifyInit(context, nil, EVP_sha384(), nil, key) == 1 else {
      return false
    }
    // 1 is the only answer that means yes (EVP_DigestVerify(3)).
    return unsafe message.withUnsafeBufferPointer { message in
      unsafe EVP_DigestVerify(
        context, signature, signature.count, message.baseAddress, message.count) == 1
    }
  }

  /// The signature as OpenSSL takes it.
  private var der: [UInt8]? {
    guard let pair = unsafe ECDSA_SIG_new() else { return nil }
    defer { unsafe ECDSA_SIG_free(pair) }
    let count = Int32(Self.numberBytes)
    // Each number is 48 bytes long.
    let (r, s) = unsafe (BN_lebin2bn(r, count, nil), BN_lebin2bn(s, count, nil))
    // The pair owns both numbers only if it takes them.
    guard let r = unsafe r, let s = unsafe s, unsafe ECDSA_SIG_set0(pair, r, s) == 1 else {
      unsafe BN_free(r)
      unsafe BN_free(s)
      return nil
    }
    return unsafe encoded { unsafe i2d_ECDSA_SIG(pair, $0) }
  }
}
