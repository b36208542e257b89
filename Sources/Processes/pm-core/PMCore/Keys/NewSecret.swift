import PMCrypto
import PMSystem

/// A key as it is made: shown once, then forgotten.
struct NewSecret {
  /// `key_` and 16 hexadecimal digits.
  let keyID: String
  /// `pm_`, the digits of the id, `_`, and 256 random bits as 43 characters.
  let text: String

  private static let idBytes = 8
  private static let secretBytes = 32
  private static let idPrefix = "key_"

  /// A secret for a key that does not exist yet.
  init() {
    let digits = Hex.text(randomBytes(Self.idBytes).span)
    self.init(keyID: Self.idPrefix + digits, digits: digits)
  }

  /// Another secret for a key; ids of another form than ours get digits of their own.
  init(forKey id: String) {
    let digits = id.dropFirst(Self.idPrefix.utf8.count)
    let isOurs =
      id.hasPrefix(Self.idPrefix) && digits.utf8.count == 2 * Self.idBytes
      && Hex.bytes(String(digits)) != nil
    let fresh = isOurs ? String(digits) : Hex.text(randomBytes(Self.idBytes).span)
    self.init(keyID: id, digits: fresh)
  }

  private init(keyID: String, digits: String) {
    self.keyID = keyID
    text = "pm_\(digits)_\(Base64URL.text(randomBytes(Self.secretBytes).span))"
  }
}
