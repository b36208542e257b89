import PMCrypto
import PMSystem
import PMWire

/// Where a key is kept, and so where it is changed.
enum KeySource: UInt8, CaseIterable, Sendable {
  /// The ledger; made or imported here.
  case store
  /// The watched file of the predecessor's form; its members are edited there.
  case file
  /// The predecessor's variable, by way of a credential.
  case environment

  var word: String {
    switch self {
    case .store: "store"
    case .file: "file"
    case .environment: "environment"
    }
  }
}

/// One secret of a key, as its keyed digest. While a key changes its secret it may have two.
struct KeySecret: Equatable, Sendable {
  var digest: Digest256
  /// When the secret stops to count; nil for as long as the key does.
  var closesAt: WallTime? = nil
}

/// Everything that is kept of a key. The secret itself is not.
struct KeyDetails: Equatable, Sendable {
  static let descriptionCharactersMax = 256

  /// Number of the key in the ledger; it is never used again.
  var row: Int64
  var id: String
  var description = ""
  var createdAt: WallTime
  var expiresAt: WallTime? = nil
  /// What the key's source says.
  var isEnabled = true
  var limits = KeyLimits()
  var policy = KeyPolicy()
  var revokedAt: WallTime? = nil
  /// When the newest secret was made; nil while it is the first.
  var rotatedAt: WallTime? = nil
  /// Links of the predecessor's history.
  var rotatedFrom: String? = nil
  var rotatedTo: String? = nil
  var source: KeySource
  /// Revoked or deleted here although a file holds it; stands against the file until lifted.
  var isBarred = false
  /// A plaintext that was imported and is short enough to guess.
  var isWeak = false
  /// Days since 1970.
  var lastUsedDay: Int32? = nil
  var secrets: [KeySecret] = []

  /// May serve at all; expiry and the life of a secret are looked at besides.
  var isUsable: Bool { isEnabled && !isBarred }

  func isExpired(at time: WallTime) -> Bool { expiresAt.map { $0 <= time } ?? false }

  /// The secrets that work, the newest first.
  func liveSecrets(at time: WallTime) -> [KeySecret] {
    secrets.filter { secret in secret.closesAt.map { time < $0 } ?? true }
  }

  /// The rule for descriptions: short, one line.
  static func isDescription(_ text: String) -> Bool {
    text.count <= descriptionCharactersMax
      && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
  }
}
