internal import COpenSSL

/// Certificates as text (RFC 7468).
public enum PEM {
  /// More than any chain of AMD's has.
  static let certificatesMax = 8

  /// True if the bytes begin like PEM; DER begins with another byte.
  public static func isLikely(_ bytes: [UInt8]) -> Bool {
    bytes.starts(with: "-----BEGIN".utf8)
  }

  /// The certificates in a text, in DER and in their order; none if one of them is damaged, or
  /// there are more than `certificatesMax`.
  public static func certificates(in text: [UInt8]) -> [[UInt8]] {
    defer { ERR_clear_error() }
    // The memory BIO reads the array only while it lives, which is inside the closure.
    return unsafe text.withUnsafeBytes { bytes in
      guard let bio = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else {
        return []
      }
      defer { unsafe BIO_free(bio) }
      ERR_clear_error()
      var found: [[UInt8]] = []
      // The callback keeps an encrypted text from asking the terminal for a passphrase.
      while let certificate = unsafe PEM_read_bio_X509(bio, nil, { _, _, _, _ in 0 }, nil) {
        defer { unsafe X509_free(certificate) }
        guard found.count < certificatesMax,
          let der = unsafe encoded({ unsafe i2d_X509(certificate, $0) })
        else { return [] }
        found.append(der)
      }
      // Anything but the end of the text is a damaged certificate.
      let isAtEnd = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE
      return isAtEnd ? found : []
    }
  }
}
