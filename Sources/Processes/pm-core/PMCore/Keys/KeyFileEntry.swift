import PMCrypto
import PMSystem
import PMWire

/// A key as a file of the predecessor's form describes it.
struct KeyFileEntry: Equatable, Sendable {
  /// Place in the file, from 0.
  var position: Int
  var id: String
  var digest: Digest256
  var description: String
  /// Nil: when the entry was first seen.
  var createdAt: WallTime?
  var expiresAt: WallTime?
  var rateLimit: Int?
  var isEnabled: Bool
  var revokedAt: WallTime?
  var rotatedFrom: String?
  var rotatedTo: String?
  var isWeak: Bool

  /// The key that the entry stands for. `old` is the same key as it is now: its first day, its last
  /// use and what was decided here stay, among it every limit and list that a file cannot name.
  func details(row: Int64, source: KeySource, old: KeyDetails?, at time: WallTime) -> KeyDetails {
    var details = KeyDetails(
      row: row, id: id, description: description,
      createdAt: createdAt ?? old?.createdAt ?? time, expiresAt: expiresAt, isEnabled: isEnabled,
      limits: old?.limits ?? KeyLimits(), policy: old?.policy ?? KeyPolicy(), revokedAt: revokedAt,
      rotatedFrom: rotatedFrom, rotatedTo: rotatedTo, source: source, isWeak: isWeak,
      lastUsedDay: old?.lastUsedDay, secrets: [KeySecret(digest: digest)])
    details.limits.requests = rateLimit
    if let old, old.isBarred, source != .store {
      details.isBarred = true
      details.revokedAt = old.revokedAt
    }
    return details
  }
}

/// Why an entry of a keys file is refused, or what is worth a word. The words are part of the
/// control interface.
enum KeyFileReason: Error, Equatable {
  case notAnObject, noSecret, secretsDisagree, badHash, secretTooLong, exampleSecret, badID
  case badDescription, badTime(member: String), badRateLimit, badEnabled, badLink
  case duplicateID(of: Int), duplicateSecret(of: Int)
  case idInUse, secretInUse, tooMany
  // Notices
  case weakSecret, rateLimitBelowOne

  var word: String {
    switch self {
    case .notAnObject: "not_an_object"
    case .noSecret: "no_secret"
    case .secretsDisagree: "secrets_disagree"
    case .badHash: "bad_key_hash"
    case .secretTooLong: "secret_too_long"
    case .exampleSecret: "example_secret"
    case .badID: "bad_key_id"
    case .badDescription: "bad_description"
    case .badTime(let member): "bad_\(member)"
    case .badRateLimit: "bad_rate_limit"
    case .badEnabled: "bad_enabled"
    case .badLink: "bad_rotation_link"
    case .duplicateID(let position): "same_key_id_as_entry_\(position)"
    case .duplicateSecret(let position): "same_secret_as_entry_\(position)"
    case .idInUse: "key_id_in_use_with_another_secret"
    case .secretInUse: "secret_in_use_by_another_key"
    case .tooMany: "too_many_keys"
    case .weakSecret: "weak_secret"
    case .rateLimitBelowOne: "rate_limit_below_one_so_disabled"
    }
  }
}

/// A remark about one entry.
struct KeyFileRemark: Equatable, Sendable {
  var position: Int
  var id: String?
  var reason: KeyFileReason
}
