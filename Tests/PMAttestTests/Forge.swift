import COpenSSL
import PMSystem
import Vectors

@testable import PMAttest

/// Makes what AMD would not: certificates, lists and reports signed by the test keys of the
/// vectors. Each call of OpenSSL is checked, so that a broken forge fails its test.
enum Forge {
  /// A private test key.
  @safe final class Key {
    private let pointer: OpaquePointer

    /// `synthetic/keys/NAME.key.der`.
    init(_ name: String) throws {
      let der = try Vectors.file("synthetic/keys/\(name).key.der")
      // The function reads within the count.
      let key = unsafe der.withUnsafeBufferPointer { buffer in
        var position = buffer.baseAddress
        return unsafe d2i_AutoPrivateKey(nil, &position, buffer.count)
      }
      unsafe pointer = try unsafe made(key)
    }
    deinit { unsafe EVP_PKEY_free(pointer) }

    /// A context that signs with SHA-384 and holds a reference of its own to the key.
    func signer(_ settings: inout OpaquePointer?) throws -> OpaquePointer {
      let context = try unsafe made(EVP_MD_CTX_new())
      try unsafe done(EVP_DigestSignInit(context, &settings, EVP_sha384(), nil, pointer))
      return unsafe context
    }

    func give(to certificate: OpaquePointer) throws {
      try unsafe done(X509_set_pubkey(certificate, pointer))
    }
  }

  enum Padding { case pss(salt: Int32), pkcs1 }

  /// A certificate in the shape of AMD's; each member can be changed.
  struct Certificate {
    var subject: String
    var issuer: String
    var key: String
    var signer: String
    var isAuthority = false
    var padding = Padding.pss(salt: 48)
    var serial: Int = 1
    var start = WallTime(seconds: 1_735_689_600)
    var end = WallTime(seconds: 2_366_841_600)
    /// Arcs behind AMD's prefix, such as `3.1`, and values.
    var extensions: [(arcs: String, value: [UInt8])] = []

    static func ark(_ product: Product = .milan) -> Certificate {
      let word = product.rawValue
      return Certificate(
        subject: "ARK-\(word)", issuer: "ARK-\(word)", key: "ark-\(word.lowercased())",
        signer: "ark-\(word.lowercased())", isAuthority: true)
    }
    static func ask(_ product: Product = .milan) -> Certificate {
      let word = product.rawValue
      return Certificate(
        subject: "SEV-\(word)", issuer: "ARK-\(word)", key: "ask-\(word.lowercased())",
        signer: "ark-\(word.lowercased())", isAuthority: true, serial: 65537)
    }
    static func vcek(_ product: Product = .milan) -> Certificate {
      let word = product.rawValue
      return Certificate(
        subject: "SEV-VCEK", issuer: "SEV-\(word)", key: "vek",
        signer: "ask-\(word.lowercased())",
        extensions: AMDExtensionsTests.vcek(product).map { item in
          (item.suffix.map { "\($0)" }.joined(separator: "."), item.value)
        })
    }

    func with(_ edit: (inout Certificate) -> Void) -> Certificate {
      var copy = self
      edit(&copy)
      return copy
    }

    func der() throws -> [UInt8] {
      let certificate = try unsafe made(X509_new())
      defer { unsafe X509_free(certificate) }
      unsafe X509_set_version(certificate, 2)
      unsafe ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial)
      unsafe ASN1_TIME_set(X509_getm_notBefore(certificate), Int(start.seconds))
      unsafe ASN1_TIME_set(X509_getm_notAfter(certificate), Int(end.seconds))
      try unsafe Forge.write(subject, to: X509_get_subject_name(certificate))
      try unsafe Forge.write(issuer, to: X509_get_issuer_name(certificate))
      try unsafe Key(key).give(to: certificate)
      if isAuthority {
        try unsafe Forge.add(NID_basic_constraints, "critical,CA:TRUE", to: certificate)
      }
      for item in extensions {
        try unsafe Forge.add("1.3.6.1.4.1.3704.1.\(item.arcs)", item.value, to: certificate)
      }
      try unsafe Forge.sign(with: signer, padding) { unsafe X509_sign_ctx(certificate, $0) }
      return try unsafe made(encoded { unsafe i2d_X509(certificate, $0) })
    }
  }

  private static func write(_ commonName: String, to name: OpaquePointer?) throws {
    for (field, value) in [("O", "SYNTHETIC TEST ROOT, NOT AMD"), ("CN", commonName)] {
      let bytes = Array(value.utf8)
      try unsafe done(
        X509_NAME_add_entry_by_txt(
          name, field, MBSTRING_UTF8, bytes, Int32(bytes.count), -1, 0))
    }
  }

  private static func add(_ kind: Int32, _ value: String, to certificate: OpaquePointer) throws {
    let item = try unsafe made(X509V3_EXT_conf_nid(nil, nil, kind, value))
    defer { unsafe X509_EXTENSION_free(item) }
    try unsafe done(X509_add_ext(certificate, item, -1))
  }

  private static func add(
    _ identifier: String, _ value: [UInt8], to certificate: OpaquePointer
  ) throws {
    let object = try unsafe made(OBJ_txt2obj(identifier, 1))
    defer { unsafe ASN1_OBJECT_free(object) }
    let content = try unsafe made(ASN1_OCTET_STRING_new())
    defer { unsafe ASN1_OCTET_STRING_free(content) }
    try unsafe done(ASN1_OCTET_STRING_set(content, value, Int32(value.count)))
    let item = try unsafe made(X509_EXTENSION_create_by_OBJ(nil, object, 0, content))
    defer { unsafe X509_EXTENSION_free(item) }
    try unsafe done(X509_add_ext(certificate, item, -1))
  }

  /// Signs by RSA with SHA-384; `work` gives 0 if it fails.
  private static func sign(
    with name: String, _ padding: Padding, _ work: (OpaquePointer) -> Int32
  ) throws {
    var settings: OpaquePointer?
    let context = try unsafe Key(name).signer(&settings)
    defer { unsafe EVP_MD_CTX_free(context) }
    if case .pss(let salt) = padding {
      try unsafe done(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING))
      try unsafe done(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, salt))
      try unsafe done(EVP_PKEY_CTX_set_rsa_mgf1_md(settings, EVP_sha384()))
    }
    try unsafe done(work(context))
  }

  /// A list of revoked certificates, by the name of the Milan root.
  static func revocationList(
    revoking serials: [Int], signer: String = "ark-milan", from start: Int64, until end: Int64?
  ) throws -> [UInt8] {
    let list = try unsafe made(X509_CRL_new())
    defer { unsafe X509_CRL_free(list) }
    unsafe X509_CRL_set_version(list, 1)
    let name = try unsafe made(X509_NAME_new())
    defer { unsafe X509_NAME_free(name) }
    try unsafe write("ARK-Milan", to: name)
    try unsafe done(X509_CRL_set_issuer_name(list, name))
    let time = try unsafe made(ASN1_TIME_set(nil, Int(start)))
    defer { unsafe ASN1_STRING_free(time) }
    try unsafe done(X509_CRL_set1_lastUpdate(list, time))
    for serial in serials {
      let number = try unsafe made(ASN1_INTEGER_new())
      defer { unsafe ASN1_INTEGER_free(number) }
      unsafe ASN1_INTEGER_set(number, serial)
      let entry = try unsafe made(X509_REVOKED_new())
      unsafe X509_REVOKED_set_serialNumber(entry, number)
      unsafe X509_REVOKED_set_revocationDate(entry, time)
      // The list owns the entry from here on.
      try unsafe done(X509_CRL_add0_revoked(list, entry))
    }
    if let end {
      unsafe ASN1_TIME_set(time, Int(end))
      try unsafe done(X509_CRL_set1_nextUpdate(list, time))
    }
    try unsafe sign(with: signer, .pss(salt: 48)) { unsafe X509_CRL_sign_ctx(list, $0) }
    return try unsafe made(encoded { unsafe i2d_X509_CRL(list, $0) })
  }

  /// The report with a fresh signature of the test key for chips.
  static func signed(_ report: [UInt8]) throws -> [UInt8] {
    var settings: OpaquePointer?
    let context = try unsafe Key("vek").signer(&settings)
    defer { unsafe EVP_MD_CTX_free(context) }
    // Longer than any signature of this curve in DER.
    var der = [UInt8](repeating: 0, count: 128)
    var count = der.count
    try unsafe done(EVP_DigestSign(context, &der, &count, report, 0x2A0))
    let pair = unsafe der.withUnsafeBufferPointer { buffer in
      var position = buffer.baseAddress
      return unsafe d2i_ECDSA_SIG(nil, &position, count)
    }
    let signature = try unsafe made(pair)
    defer { unsafe ECDSA_SIG_free(signature) }
    var (r, s) = ([UInt8](repeating: 0, count: 48), [UInt8](repeating: 0, count: 48))
    try unsafe done(BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), &r, 48))
    try unsafe done(BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), &s, 48))
    var signed = report
    signed.replaceSubrange(0x2A0..<0x2D0, with: r)
    signed.replaceSubrange(0x2E8..<0x318, with: s)
    return signed
  }

  /// First second and end of a certificate's time.
  static func validity(_ der: [UInt8]) throws -> Range<Int64> {
    let certificate = try made(X509Certificate(der: der))
    func second(_ time: UnsafePointer<ASN1_TIME>?) throws -> Int64 {
      let epoch = try unsafe made(ASN1_TIME_set(nil, 0))
      defer { unsafe ASN1_STRING_free(epoch) }
      var (days, seconds): (Int32, Int32) = (0, 0)
      try unsafe done(ASN1_TIME_diff(&days, &seconds, epoch, time))
      return Int64(days) * 86_400 + Int64(seconds)
    }
    // The times belong to the certificate, which ends with its last use.
    return try withExtendedLifetime(certificate) {
      let start = try unsafe second(X509_get0_notBefore(certificate.pointer))
      return start..<(try unsafe second(X509_get0_notAfter(certificate.pointer)))
    }
  }

  // MARK: Numbers of the curve, lowest byte first

  /// The order of the group of P-384.
  static let order: [UInt8] =
    [
      0x73, 0x29, 0xC5, 0xCC, 0x6A, 0x19, 0xEC, 0xEC, 0x7A, 0xA7, 0xB0, 0x48, 0xB2, 0x0D, 0x1A,
      0x58, 0xDF, 0x2D, 0x37, 0xF4, 0x81, 0x4D, 0x63, 0xC7,
    ] + [UInt8](repeating: 0xFF, count: 24)

  /// `a` − `b`, where `a` is not smaller.
  static func difference(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
    var borrow = 0
    return zip(a, b).map { a, b in
      let digit = Int(a) - Int(b) - borrow
      borrow = digit < 0 ? 1 : 0
      return UInt8(truncatingIfNeeded: digit)
    }
  }
}

private enum ForgeError: Error { case openSSL }

private func made<Object>(_ object: Object?) throws -> Object {
  guard let object else { throw ForgeError.openSSL }
  return object
}

private func done(_ result: Int32) throws {
  guard result > 0 else { throw ForgeError.openSSL }
}
