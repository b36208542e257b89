internal import COpenSSL

/// A server's certificate, as its bytes and those of its key.
public struct PeerCertificate: Equatable, Sendable {
  /// The whole certificate, DER.
  public let der: [UInt8]
  /// Its SubjectPublicKeyInfo, DER (RFC 5280, 4.1.2.7): what attestation binds.
  public let publicKey: [UInt8]
  /// A certificate of a web server with all its names fits many times.
  public static let bytesMax = 64 << 10

  /// Reads a certificate that was kept; nil if there is anything else or anything more.
  public init?(der: [UInt8]) {
    guard !der.isEmpty, der.count <= Self.bytesMax else { return nil }
    let certificate = unsafe der.withUnsafeBufferPointer { bytes -> Certificate? in
      // d2i moves the pointer behind what it read, within the bytes.
      var position = bytes.baseAddress
      guard let pointer = unsafe d2i_X509(nil, &position, bytes.count) else { return nil }
      let certificate = unsafe Certificate(owning: pointer)
      let end = unsafe bytes.baseAddress.map { unsafe $0 + bytes.count }
      return unsafe position == end ? certificate : nil
    }
    ERR_clear_error()
    guard let certificate else { return nil }
    self.init(certificate)
  }

  init?(_ certificate: Certificate) {
    guard
      let der = unsafe encoded({ unsafe i2d_X509(certificate.pointer, $0) }),
      let publicKey = unsafe encoded({
        unsafe i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.pointer), $0)
      })
    else { return nil }
    (self.der, self.publicKey) = (der, publicKey)
  }
}

/// What an i2d function of OpenSSL writes; asked for its length first.
private func encoded(
  _ write: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
) -> [UInt8]? {
  let length = write(nil)
  guard length > 0 else { return nil }
  var bytes = [UInt8](repeating: 0, count: Int(length))
  // The second call writes as many bytes as the first one said.
  let written = unsafe bytes.withUnsafeMutableBufferPointer {
    var position = $0.baseAddress
    return unsafe write(&position)
  }
  return written == length ? bytes : nil
}

/// What the system's roots say about a server's certificate for the name it was asked by.
public enum WebTrust: Equatable, Sendable {
  case trusted
  case notYetValid, expired
  /// The certificate is for another name or address.
  case otherName
  case selfSigned
  case unknownIssuer
  /// Any other reason, by OpenSSL's number (openssl-verification-options(1)).
  case other(Int)

  init(code: Int) {
    self =
      switch Int32(clamping: code) {
      case X509_V_OK: .trusted
      case X509_V_ERR_CERT_NOT_YET_VALID: .notYetValid
      case X509_V_ERR_CERT_HAS_EXPIRED: .expired
      case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .otherName
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        .selfSigned
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        .unknownIssuer
      default: .other(code)
      }
  }
}
