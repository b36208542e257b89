internal import PMCrypto
internal import PMSystem

/// Tokens that prove a form came from a page of ours: authenticated, bound to a browser session,
/// good once and for `formTokenSecondsMax`. Issuing one costs no memory; only spent ones are
/// remembered.
///
/// A token is 6 bytes of age, 10 random bytes, and 16 bytes of their authentication code together
/// with the binding.
struct FormTokens {
  private static let agedBytes = 6
  private static let nonceBytes = 16
  private static let codeBytes = 16
  static let textBytes = (nonceBytes + codeBytes) * 2

  private let hash: KeyedHash
  private let start: Instant
  /// Nonces in the order in which they were spent, which nearly is that of their age.
  private var spent: [[UInt8]] = []
  private var isSpent: Set<[UInt8]> = []
  /// Tokens issued at or before this second are refused: their being spent is not remembered.
  private var forgottenSecond: Int64 = -1

  /// The key of `hash` is of this process only, so that tokens end with it.
  init(start: Instant, hash: KeyedHash) { (self.start, self.hash) = (start, hash) }

  private func second(of now: Instant) -> Int64 { Int64(now.millisecondsSince(start) / 1000) }

  /// A token for forms of the session `binding`. `random` holds at least ten fresh bytes.
  func issue(for binding: String, random: [UInt8], at now: Instant) -> String {
    let second = second(of: now)
    var nonce = (0..<Self.agedBytes).reversed().map {
      UInt8(truncatingIfNeeded: second >> ($0 * 8))
    }
    nonce += random.prefix(Self.nonceBytes - Self.agedBytes)
    return Hex.text((nonce + code(nonce, binding)).span)
  }

  /// True if the token is one of ours, of this session, young enough and not spent before. It is
  /// spent from now on.
  mutating func spend(_ text: String, for binding: String, at now: Instant) -> Bool {
    guard text.utf8.count == Self.textBytes, let bytes = Hex.bytes(text) else { return false }
    let nonce = Array(bytes.prefix(Self.nonceBytes))
    let (given, expected) = (Array(bytes.suffix(Self.codeBytes)), code(nonce, binding))
    guard equalInConstantTime(given.span, expected.span) else { return false }
    let issued = Self.second(in: nonce)
    guard issued > forgottenSecond,
      second(of: now) - issued < Int64(AdminLimits.formTokenSecondsMax),
      isSpent.insert(nonce).inserted
    else { return false }
    spent.append(nonce)
    forgetOldest()
    return true
  }

  private func code(_ nonce: [UInt8], _ binding: String) -> [UInt8] {
    Array(hash.code(of: (nonce + Array(binding.utf8)).span).bytes.prefix(Self.codeBytes))
  }

  private static func second(in nonce: [UInt8]) -> Int64 {
    nonce.prefix(agedBytes).reduce(0) { $0 << 8 | Int64($1) }
  }

  private mutating func forgetOldest() {
    guard spent.count > AdminLimits.spentTokensMax else { return }
    let oldest = spent.removeFirst()
    isSpent.remove(oldest)
    forgottenSecond = max(forgottenSecond, Self.second(in: oldest))
  }
}
