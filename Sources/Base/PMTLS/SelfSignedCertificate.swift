internal import COpenSSL
internal import PMSystem

/// A new P-256 key with a certificate that vouches for itself: development only.
public struct SelfSignedCertificate: Sendable {
  public let certificatePEM: [UInt8]
  public let keyPEM: [UInt8]
  /// How long one is valid.
  public static let daysValid = 365

  /// `names` are DNS names or `IP:` addresses, in OpenSSL's notation (`DNS:localhost`).
  public init(alternativeNames names: [String]) throws(TLSError) {
    let key = try PrivateKey()
    certificatePEM = try key.selfSignedCertificate(
      commonName: "privatemode appliance (development)", alternativeNames: names)
    keyPEM = try key.pem().bytes
  }
}

extension PrivateKey {
  /// A certificate as PEM text by which this key vouches for itself. `names` are in OpenSSL's
  /// notation (`DNS:localhost`, `IP:127.0.0.1`).
  public func selfSignedCertificate(
    commonName: String, alternativeNames names: [String]
  ) throws(TLSError) -> [UInt8] {
    guard let empty = unsafe X509_new() else { throw .library }
    let certificate = unsafe Certificate(owning: empty)
    guard unsafe fill(certificate.pointer, commonName, names.joined(separator: ",")) else {
      throw .library
    }
    return try unsafe PEM.text { unsafe PEM_write_bio_X509($0, certificate.pointer) }.bytes
  }

  private func fill(
    _ certificate: OpaquePointer, _ common: String, _ names: String
  ) -> Bool {
    var serial: UInt64 = 0
    guard unsafe RAND_bytes(withUnsafeMutableBytes(of: &serial) {
      unsafe $0.baseAddress?.assumingMemoryBound(to: UInt8.self)
    }, 8) == 1 else { return false }
    unsafe ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1)
    unsafe X509_set_version(certificate, 2)
    let now = unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), -3600)
    let end = unsafe X509_gmtime_adj(
      X509_getm_notAfter(certificate), SelfSignedCertificate.daysValid * 86_400)
    guard unsafe now != nil, unsafe end != nil else { return false }
    let subject = unsafe X509_get_subject_name(certificate)
    guard unsafe X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, common, -1, -1, 0) == 1,
      unsafe X509_set_issuer_name(certificate, subject) == 1,
      unsafe X509_set_pubkey(certificate, pointer) == 1,
      unsafe add(NID_subject_alt_name, names, to: certificate),
      unsafe add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", to: certificate),
      unsafe add(NID_ext_key_usage, "serverAuth", to: certificate)
    else { return false }
    return unsafe X509_sign(certificate, pointer, EVP_sha256()) > 0
  }

  private func add(_ kind: Int32, _ value: String, to certificate: OpaquePointer) -> Bool {
    guard let item = unsafe X509V3_EXT_conf_nid(nil, nil, kind, value) else { return false }
    defer { unsafe X509_EXTENSION_free(item) }
    return unsafe X509_add_ext(certificate, item, -1) == 1
  }

  /// A request for a certificate (PKCS #10, RFC 2986) as PEM text. The names stand where today's
  /// authorities look for them; the subject is empty (CA/Browser Forum, 7.1.2.7.2).
  public func certificateRequest(alternativeNames names: [String]) throws(TLSError) -> [UInt8] {
    let text = names.joined(separator: ",")
    guard let request = unsafe X509_REQ_new() else { throw .library }
    defer { unsafe X509_REQ_free(request) }
    guard let item = unsafe X509V3_EXT_conf_nid(nil, nil, NID_subject_alt_name, text) else {
      throw .library
    }
    defer { unsafe X509_EXTENSION_free(item) }
    guard let list = unsafe OPENSSL_sk_new_null() else { throw .library }
    defer { unsafe OPENSSL_sk_free(list) }
    // The request copies what the list points to.
    guard unsafe OPENSSL_sk_push(list, UnsafeRawPointer(item)) == 1,
      unsafe X509_REQ_add_extensions(request, list) == 1,
      unsafe X509_REQ_set_version(request, 0) == 1,
      unsafe X509_REQ_set_pubkey(request, pointer) == 1,
      unsafe X509_REQ_sign(request, pointer, EVP_sha256()) > 0
    else { throw .library }
    return try unsafe PEM.text { unsafe PEM_write_bio_X509_REQ($0, request) }.bytes
  }
}
