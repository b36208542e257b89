internal import COpenSSL

/// The owner of one X.509 certificate.
@safe final class Certificate {
  let pointer: OpaquePointer
  init(owning pointer: OpaquePointer) { unsafe self.pointer = pointer }
  deinit { unsafe X509_free(pointer) }

  /// Whole days until it expires; nil if it is not valid now.
  var daysLeft: Int? {
    var (days, seconds): (Int32, Int32) = (0, 0)
    let end = unsafe X509_get0_notAfter(pointer)
    let start = unsafe X509_get0_notBefore(pointer)
    guard unsafe ASN1_TIME_diff(&days, &seconds, nil, end) == 1, days >= 0, seconds >= 0,
      unsafe X509_cmp_current_time(start) < 0
    else { return nil }
    return Int(days)
  }

  /// Its SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), byte for byte as it stands in it.
  var publicKey: [UInt8] {
    unsafe DER.bytes { unsafe i2d_X509_PUBKEY(X509_get_X509_PUBKEY(pointer), $0) }
  }

  /// True if it is for this DNS name or address.
  func speaks(for name: String) -> Bool {
    unsafe X509_check_host(pointer, name, 0, 0, nil) == 1
      || X509_check_ip_asc(pointer, name, 0) == 1
  }
}

/// A certificate chain and the private key of its first certificate, checked to belong together and
/// to be valid now.
public final class CertifiedKey {
  let leaf: Certificate
  let chain: [Certificate]
  let key: PrivateKey
  /// Whole days until the certificate expires.
  public let daysLeft: Int
  /// A chain longer than this is no chain of a public authority.
  static let chainCertificatesMax = 8

  /// Reads PEM text. The key's text should be wiped by the caller.
  public convenience init(certificatePEM: [UInt8], keyPEM: [UInt8]) throws(TLSError) {
    let certificates = Self.certificates(in: certificatePEM)
    // Of two faults the certificate's is told.
    if certificates.isEmpty { throw .certificateUnusable }
    try self.init(certificates, try PrivateKey(pem: keyPEM.span))
  }

  /// Reads PEM text that must belong to `key`.
  public convenience init(certificatePEM: [UInt8], key: PrivateKey) throws(TLSError) {
    try self.init(Self.certificates(in: certificatePEM), key)
  }

  private init(_ certificates: [Certificate], _ key: PrivateKey) throws(TLSError) {
    guard let leaf = certificates.first, certificates.count <= Self.chainCertificatesMax else {
      throw .certificateUnusable
    }
    guard unsafe X509_check_private_key(leaf.pointer, key.pointer) == 1 else {
      throw .keyDoesNotMatch
    }
    guard let daysLeft = leaf.daysLeft else { throw .certificateExpired }
    self.leaf = leaf
    self.chain = Array(certificates.dropFirst())
    self.key = key
    self.daysLeft = daysLeft
  }

  /// The certificate's SubjectPublicKeyInfo as clients see it.
  public var publicKey: [UInt8] { leaf.publicKey }

  /// True if the certificate is for this DNS name or address.
  public func speaks(for name: String) -> Bool { leaf.speaks(for: name) }

  private static func certificates(in pem: [UInt8]) -> [Certificate] {
    // The memory BIO reads the array only while it lives, which is inside the closure.
    unsafe pem.withUnsafeBytes { bytes in
      guard let bio = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else {
        return []
      }
      defer { unsafe BIO_free(bio) }
      ERR_clear_error()
      var found: [Certificate] = []
      while found.count <= chainCertificatesMax,
        let certificate = unsafe PEM_read_bio_X509(bio, nil, nil, nil)
      {
        found.append(unsafe Certificate(owning: certificate))
      }
      // Anything but the end of the text is a damaged certificate, which a client would miss.
      let fault = ERR_peek_last_error()
      ERR_clear_error()
      let isAtEnd = ERR_GET_REASON(fault) == PEM_R_NO_START_LINE
      return isAtEnd || found.count > chainCertificatesMax ? found : []
    }
  }
}
