internal import COpenSSL

/// A new P-256 key with a certificate that vouches for itself: development only.
public struct SelfSignedCertificate: Sendable {
  public let certificatePEM: [UInt8]
  public let keyPEM: [UInt8]
  /// How long it is valid.
  public static let daysValid = 365

  /// `names` are DNS names or `IP:` addresses, in OpenSSL's notation (`DNS:localhost`).
  public init(alternativeNames names: [String]) throws(TLSError) {
    guard let key = Self.makeKey(), let empty = unsafe X509_new() else { throw .library }
    let certificate = unsafe Certificate(owning: empty)
    guard unsafe Self.fill(certificate.pointer, key.pointer, names.joined(separator: ",")),
      let certificatePEM = unsafe Self.pem({ unsafe PEM_write_bio_X509($0, certificate.pointer) }),
      let keyPEM = unsafe Self.pem({
        unsafe PEM_write_bio_PrivateKey($0, key.pointer, nil, nil, 0, nil, nil)
      })
    else { throw .library }
    self.certificatePEM = certificatePEM
    self.keyPEM = keyPEM
  }

  private static func makeKey() -> PrivateKey? {
    guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, "EC", nil) else { return nil }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard unsafe EVP_PKEY_keygen_init(context) == 1,
      unsafe EVP_PKEY_CTX_set_group_name(context, "P-256") == 1,
      unsafe EVP_PKEY_generate(context, &key) == 1
    else { return nil }
    return unsafe key.map { unsafe PrivateKey(owning: $0) }
  }

  private static func fill(
    _ certificate: OpaquePointer, _ key: OpaquePointer, _ names: String
  ) -> Bool {
    var serial: UInt64 = 0
    guard unsafe RAND_bytes(withUnsafeMutableBytes(of: &serial) {
      unsafe $0.baseAddress?.assumingMemoryBound(to: UInt8.self)
    }, 8) == 1 else { return false }
    unsafe ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1)
    unsafe X509_set_version(certificate, 2)
    let now = unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), -3600)
    let end = unsafe X509_gmtime_adj(
      X509_getm_notAfter(certificate), Self.daysValid * 86_400)
    guard unsafe now != nil, unsafe end != nil else { return false }
    let subject = unsafe X509_get_subject_name(certificate)
    let common = "privatemode appliance (development)"
    guard unsafe X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, common, -1, -1, 0) == 1,
      unsafe X509_set_issuer_name(certificate, subject) == 1,
      unsafe X509_set_pubkey(certificate, key) == 1,
      unsafe add(NID_subject_alt_name, names, to: certificate),
      unsafe add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", to: certificate),
      unsafe add(NID_ext_key_usage, "serverAuth", to: certificate)
    else { return false }
    return unsafe X509_sign(certificate, key, EVP_sha256()) > 0
  }

  private static func add(_ kind: Int32, _ value: String, to certificate: OpaquePointer) -> Bool {
    guard let item = unsafe X509V3_EXT_conf_nid(nil, nil, kind, value) else { return false }
    defer { unsafe X509_EXTENSION_free(item) }
    return unsafe X509_add_ext(certificate, item, -1) == 1
  }

  private static func pem(_ write: (OpaquePointer) -> Int32) -> [UInt8]? {
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { return nil }
    defer { unsafe BIO_free(bio) }
    guard unsafe write(bio) == 1 else { return nil }
    var text = [UInt8](repeating: 0, count: Int(unsafe BIO_ctrl(bio, BIO_CTRL_PENDING, 0, nil)))
    let count = unsafe BIO_read(bio, &text, Int32(clamping: text.count))
    return Int(count) == text.count ? text : nil
  }
}
