import COpenSSL

/// A certificate for a time of the test's choice, in seconds from now, with its key.
struct DatedCertificate {
  let certificatePEM: [UInt8]
  let keyPEM: [UInt8]

  init?(from start: Int, to end: Int, passphrase: String? = nil) {
    guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, "EC", nil),
      let certificate = unsafe X509_new()
    else { return nil }
    defer {
      unsafe EVP_PKEY_CTX_free(context)
      unsafe X509_free(certificate)
    }
    var key: OpaquePointer?
    unsafe EVP_PKEY_keygen_init(context)
    unsafe EVP_PKEY_CTX_set_group_name(context, "P-256")
    unsafe EVP_PKEY_generate(context, &key)
    defer { unsafe EVP_PKEY_free(key) }
    unsafe X509_set_version(certificate, 2)
    unsafe ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), 1)
    unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), start)
    unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), end)
    unsafe X509_set_pubkey(certificate, key)
    guard unsafe X509_sign(certificate, key, EVP_sha256()) > 0,
      let certificatePEM = unsafe Self.pem({ unsafe PEM_write_bio_X509($0, certificate) }),
      let keyPEM = unsafe Self.pem({ bio in
        guard let passphrase else {
          return unsafe PEM_write_bio_PrivateKey(bio, key, nil, nil, 0, nil, nil)
        }
        return unsafe PEM_write_bio_PKCS8PrivateKey(
          bio, key, EVP_aes_128_cbc(), passphrase, Int32(passphrase.utf8.count), nil, nil)
      })
    else { return nil }
    (self.certificatePEM, self.keyPEM) = (certificatePEM, keyPEM)
  }

  private static func pem(_ write: (OpaquePointer) -> Int32) -> [UInt8]? {
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { return nil }
    defer { unsafe BIO_free(bio) }
    guard unsafe write(bio) == 1 else { return nil }
    var text = [UInt8](repeating: 0, count: Int(unsafe BIO_ctrl(bio, BIO_CTRL_PENDING, 0, nil)))
    let count = unsafe BIO_read(bio, &text, Int32(text.count))
    return Int(count) == text.count ? text : nil
  }
}
