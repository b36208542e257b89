import PMCrypto
import PMSystem
import PMWire

/// Salts under which the vendor caches prompts: one to a key and UTC day, so that keys never share
/// a cache and the vendor cannot link one key's requests beyond a day. A client's own salt divides
/// its key's space and reaches no other.
final class CacheSalts {
  /// Goes into each salt, so that a later rule gives others.
  private static let version = "1"

  private let keyed: KeyedHash
  private var day: Int64 = .min
  /// Of the present day, by the key's row; as many as there are keys.
  private var texts: [Int64: String] = [:]

  init(secret: Digest256) throws(CryptoError) {
    keyed = try KeyedHash(key: secret.bytes.span)
  }

  /// The salt of a key at that time; nil if nothing of the key is to be cached.
  func salt(of key: KeyDetails, at time: WallTime) -> CacheSalt? {
    guard key.policy.usesPromptCache else { return nil }
    return CacheSalt(
      salts: self, row: key.row, id: key.id, day: time.seconds.floorDivided(by: 86_400))
  }

  fileprivate func text(_ salt: CacheSalt, own: [UInt8]?) -> String {
    if let own { return make(salt, own) }
    if day != salt.day { (day, texts) = (salt.day, [:]) }
    if let text = texts[salt.row] { return text }
    let text = make(salt, [])
    texts[salt.row] = text
    return text
  }

  private func make(_ salt: CacheSalt, _ own: [UInt8]) -> String {
    // Ids hold no line ends, so that no two things read alike.
    let message = Array("\(Self.version)\n\(salt.id)\n\(salt.day)\n".utf8) + own
    return Base64URL.text(keyed.code(of: message.span).bytes.span)
  }
}

/// The salt of one key on one day.
struct CacheSalt {
  fileprivate let salts: CacheSalts
  fileprivate let row: Int64
  fileprivate let id: String
  fileprivate let day: Int64

  /// 43 letters; `own` is what the client gave as its salt.
  func text(own: [UInt8]?) -> String { salts.text(self, own: own) }
}
