import COpenSSL
import PMSystem
import PMTLS
import Testing

@Suite struct PrivateKeyTests {
  /// SubjectPublicKeyInfo of P-256 up to the point (RFC 5480): id-ecPublicKey, prime256v1, and the
  /// mark of a point in full.
  private static let beginning: [UInt8] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08,
    0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
  ]

  @Test func everyKeyIsNewAndOnTheSameCurve() throws {
    var seen: Set<[UInt8]> = []
    for _ in 0..<20 {
      let key = try PrivateKey().publicKey
      #expect(key.count == 91)
      #expect(Array(key.prefix(27)) == Self.beginning)
      #expect(seen.insert(key).inserted)
    }
  }

  @Test func aKeyComesBackFromItsText() throws {
    let key = try PrivateKey()
    let text = try key.pem().bytes
    #expect(String(decoding: text, as: UTF8.self).hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
    #expect(try PrivateKey(pem: text.span).publicKey == key.publicKey)
  }

  @Test func halfAKeyIsNone() throws {
    let text = try PrivateKey().pem().bytes
    for count in 0..<text.count - 1 {
      let part = Array(text.prefix(count))
      #expect(throws: TLSError.keyUnusable, "\(count)") { try PrivateKey(pem: part.span) }
    }
  }

  @Test func certificatesShowTheKeyThatTheyAreFor() throws {
    let (key, other) = (try PrivateKey(), try PrivateKey())
    let names = ["DNS:ai.example.org"]
    let pem = try key.selfSignedCertificate(commonName: "x", alternativeNames: names)
    let again = try key.selfSignedCertificate(commonName: "x", alternativeNames: names)
    #expect(pem != again)
    for pem in [pem, again] {
      #expect(try CertifiedKey(certificatePEM: pem, key: key).publicKey == key.publicKey)
    }
    #expect(throws: TLSError.keyDoesNotMatch) {
      try CertifiedKey(certificatePEM: pem, key: other)
    }
  }

  @Test func certificatesSpeakForTheirNames() throws {
    let key = try PrivateKey()
    let pem = try key.selfSignedCertificate(
      commonName: "x", alternativeNames: ["DNS:ai.example.org", "IP:192.0.2.1"])
    let certified = try CertifiedKey(certificatePEM: pem, key: key)
    for name in ["ai.example.org", "AI.example.org", "192.0.2.1"] {
      #expect(certified.speaks(for: name), "\(name)")
    }
    for name in ["example.org", "x", "b.ai.example.org", "192.0.2.2", ""] {
      #expect(!certified.speaks(for: name), "\(name)")
    }
  }

  @Test func aRequestNamesKeyAndHostAndIsSigned() throws {
    let key = try PrivateKey()
    let pem = try key.certificateRequest(alternativeNames: ["DNS:ai.example.org"])
    let request = try #require(ReadRequest(pem))
    #expect(request.isSigned)
    #expect(request.publicKey == key.publicKey)
    #expect(request.extensionNames == ["X509v3 Subject Alternative Name"])
  }

  @Test func aRequestForNoNameIsNone() throws {
    let key = try PrivateKey()
    #expect(throws: TLSError.self) { try key.certificateRequest(alternativeNames: ["localhost"]) }
  }
}

/// A request as OpenSSL reads it.
private struct ReadRequest {
  let isSigned: Bool
  let publicKey: [UInt8]
  let extensionNames: [String]

  init?(_ pem: [UInt8]) {
    let bio = unsafe BIO_new_mem_buf(pem, Int32(pem.count))
    defer { unsafe BIO_free(bio) }
    guard let request = unsafe PEM_read_bio_X509_REQ(bio, nil, nil, nil) else { return nil }
    defer { unsafe X509_REQ_free(request) }
    let key = unsafe X509_REQ_get0_pubkey(request)
    isSigned = unsafe X509_REQ_verify(request, key) == 1
    var bytes = [UInt8](repeating: 0, count: Int(unsafe i2d_PUBKEY(key, nil)))
    unsafe bytes.withUnsafeMutableBufferPointer {
      var position = $0.baseAddress
      unsafe i2d_PUBKEY(key, &position)
    }
    publicKey = bytes
    let list = unsafe X509_REQ_get_extensions(request)
    var names: [String] = []
    for index in 0..<(unsafe X509v3_get_ext_count(list)) {
      let object = unsafe X509_EXTENSION_get_object(X509v3_get_ext(list, index))
      names.append(unsafe String(cString: OBJ_nid2ln(OBJ_obj2nid(object))))
    }
    extensionNames = names
    unsafe OPENSSL_sk_pop_free(list) { unsafe X509_EXTENSION_free($0.map { OpaquePointer($0) }) }
  }
}
