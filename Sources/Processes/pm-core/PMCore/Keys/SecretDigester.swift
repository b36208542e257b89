import PMCrypto
import PMSystem

/// Makes the keyed digests under which secrets are kept and found: HMAC-SHA-256 under the pepper of
/// the SHA-256 of the text. Imported keys, of which only the SHA-256 is known, share the scheme.
final class SecretDigester {
  private let hash: SHA256
  private let keyed: KeyedHash

  init(pepper: borrowing Span<UInt8>) throws(CryptoError) {
    hash = try SHA256()
    keyed = try KeyedHash(key: pepper)
  }

  func digest(of secret: borrowing Span<UInt8>) -> Digest256 {
    keyed.code(of: hash.digest(of: secret))
  }

  /// For a secret of which only the SHA-256 is known.
  func digest(ofHashed sha256: Digest256) -> Digest256 { keyed.code(of: sha256) }

  /// Plain SHA-256, to tell one content of a file from another.
  func contentDigest(of bytes: borrowing Span<UInt8>) -> Digest256 { hash.digest(of: bytes) }

  /// Tells one pepper from another without giving anything of it away.
  var pepperMark: Digest256 { keyed.code(of: Array("mark of the pepper".utf8).span) }

  /// What the salts of prompt caches are made under.
  var cacheSecret: Digest256 { keyed.code(of: Array("secret of the cache salts".utf8).span) }
}
