public import PMCrypto

/// How evidence is bound to a nonce, a TLS key and the claims: a digest over a label and fields of
/// fixed length, so that no two inputs give the same bytes.
public enum Binding {
  /// The name of the format and a zero byte: 21 bytes.
  static let label: [UInt8] = Array(EvidenceDocument.format.utf8) + [0]

  /// SHA-256(label ‖ nonce ‖ key ‖ SHA-256(claims)). `key` is the SHA-256 of the TLS key's
  /// SubjectPublicKeyInfo; `claims` are the bytes as they are sent. A TPM quotes it as extraData.
  public static func hash(_ nonce: Nonce, key: Digest256, claims: [UInt8]) -> Digest256 {
    let statement = Digest256(hashing: claims.span)
    return Digest256(hashing: (label + nonce.bytes + key.bytes + statement.bytes).span)
  }

  /// The 64 bytes that a report of `snp` carries: the digest, and the key in clear for people.
  public static func reportData(_ nonce: Nonce, key: Digest256, claims: [UInt8]) -> [UInt8] {
    hash(nonce, key: key, claims: claims).bytes + key.bytes
  }

  /// The 64 bytes that the paravisor of Azure takes into its report. They answer nobody: freshness
  /// comes from the quote.
  public static func userData(key: Digest256, claims: [UInt8]) -> [UInt8] {
    reportData(.zero, key: key, claims: claims)
  }
}
