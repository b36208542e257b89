internal import COpenSSL
internal import PMSystem

/// One X.509 certificate, and each question that the rules of a chain ask about it. It decides
/// nothing: which answers are right is `CertificateChain`'s part.
@safe final class X509Certificate {
  /// AMD's certificates have about 1600 bytes; the document allows this many.
  static let derBytesMax = 4096

  /// Ours, from `d2i_X509` to `deinit`; the functions below only read it.
  let pointer: OpaquePointer

  /// Nil unless the bytes are one certificate and nothing else.
  init?(der: [UInt8]) {
    defer { ERR_clear_error() }
    guard der.count <= Self.derBytesMax else { return nil }
    // The function reads within the count and leaves its end in `position`.
    let parsed = unsafe der.withUnsafeBufferPointer { buffer -> OpaquePointer? in
      var position = buffer.baseAddress
      guard let certificate = unsafe d2i_X509(nil, &position, buffer.count) else { return nil }
      let isWhole = unsafe position == buffer.baseAddress?.advanced(by: buffer.count)
      if !isWhole { unsafe X509_free(certificate) }
      return unsafe isWhole ? certificate : nil
    }
    guard let parsed = unsafe parsed else { return nil }
    unsafe pointer = parsed
  }

  deinit { unsafe X509_free(pointer) }

  // MARK: Key

  /// What the key of a certificate is, as far as the rules name kinds.
  enum KeyShape: Equatable {
    case rsa(bits: Int)
    /// On a curve of this name in OpenSSL.
    case curve(String)
    case other
  }

  var keyShape: KeyShape {
    defer { ERR_clear_error() }
    // The certificate keeps the key.
    guard let key = unsafe X509_get0_pubkey(pointer) else { return .other }
    let kind = unsafe EVP_PKEY_get_base_id(key)
    switch kind {
    case EVP_PKEY_RSA: return .rsa(bits: Int(unsafe EVP_PKEY_get_bits(key)))
    case EVP_PKEY_EC: return unsafe Self.curve(of: key).map(KeyShape.curve) ?? .other
    default: return .other
    }
  }

  private static func curve(of key: OpaquePointer) -> String? {
    // Longer than any name of a curve in OpenSSL.
    var name = [CChar](repeating: 0, count: 80)
    var count = 0
    // It writes at most `name.count` bytes, the last of them zero.
    guard unsafe EVP_PKEY_get_group_name(key, &name, name.count, &count) == 1,
      count < name.count
    else { return nil }
    return String(decoding: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// SubjectPublicKeyInfo in DER.
  var publicKeyInfo: [UInt8]? {
    unsafe encoded { unsafe i2d_X509_PUBKEY(X509_get_X509_PUBKEY(pointer), $0) }
  }

  // MARK: Names

  /// The bytes of the one common name of the subject; nil if there is none, or more.
  var commonName: [UInt8]? {
    let subject = unsafe X509_get_subject_name(pointer)
    let index = unsafe X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
    // The entry and its value belong to the name.
    guard index >= 0, unsafe X509_NAME_get_index_by_NID(subject, NID_commonName, index) < 0,
      let entry = unsafe X509_NAME_get_entry(subject, index)
    else { return nil }
    return unsafe bytes(of: X509_NAME_ENTRY_get_data(entry))
  }

  /// True if this one's issuer is named like the other's subject.
  func namesIssuer(_ parent: X509Certificate) -> Bool {
    unsafe X509_NAME_cmp(
      X509_get_issuer_name(pointer), X509_get_subject_name(parent.pointer)) == 0
  }

  // MARK: Signature, time, use

  /// The AlgorithmIdentifier of the signature in DER. The one within the signed part is compared
  /// with it by `isSigned`.
  var signatureAlgorithm: [UInt8]? {
    var algorithm: UnsafePointer<X509_ALGOR>?
    unsafe X509_get0_signature(nil, &algorithm, pointer)
    return unsafe encoded { unsafe i2d_X509_ALGOR(algorithm, $0) }
  }

  func isSigned(by parent: X509Certificate) -> Bool {
    defer { ERR_clear_error() }
    guard let key = unsafe X509_get0_pubkey(parent.pointer) else { return false }
    return unsafe X509_verify(pointer, key) == 1
  }

  func isValid(at time: WallTime) -> Bool {
    unsafe isLater(X509_get0_notBefore(pointer), than: time) == false
      && isLater(X509_get0_notAfter(pointer), than: time) == true
  }

  /// True if its extensions make it an authority of version 3.
  var isAuthority: Bool {
    defer { ERR_clear_error() }
    return unsafe X509_check_ca(pointer) == 1
  }

  // MARK: Extensions

  /// What an extension with an object identifier below a known one holds.
  struct Extension: Equatable {
    /// The encoded arcs behind the prefix.
    var suffix: [UInt8]
    var value: [UInt8]
  }

  /// The extensions whose encoded object identifier begins with `prefix`, in their order.
  func extensions(below prefix: [UInt8]) -> [Extension] {
    (0..<(unsafe X509_get_ext_count(pointer))).compactMap { index in
      // Everything here belongs to the certificate.
      guard let item = unsafe X509_get_ext(pointer, index),
        let object = unsafe X509_EXTENSION_get_object(item),
        let start = unsafe OBJ_get0_data(object)
      else { return nil }
      let identifier = unsafe [UInt8](
        UnsafeBufferPointer(start: start, count: OBJ_length(object)))
      guard identifier.starts(with: prefix) else { return nil }
      return Extension(
        suffix: [UInt8](identifier.dropFirst(prefix.count)),
        value: unsafe bytes(of: X509_EXTENSION_get_data(item)) ?? [])
    }
  }
}
