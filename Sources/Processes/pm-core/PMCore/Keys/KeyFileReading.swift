import PMCrypto
import PMJSON
import PMSystem
import PMWire

/// What a file of the predecessor's form says: `{"keys": [ENTRY…]}`, in both shapes of entries and
/// mixtures of them.
struct KeyFileReading {
  /// A file may be as long as this: 20 000 entries of 200 bytes.
  static let fileBytesMax = 4 << 20
  /// Shorter secrets are taken, and marked.
  static let weakSecretBytes = 20
  /// Values of documents and example files, which anybody could try.
  private static let exampleSecrets: Set<String> = [
    "your-secure-api-key-here", "your-proxy-api-key", "your-api-key-here", "your-api-key",
    "your_api_key", "change-me", "changeme", "api-key", "test",
  ]

  private(set) var entries: [KeyFileEntry] = []
  private(set) var refused: [KeyFileRemark] = []
  private(set) var notices: [KeyFileRemark] = []
  private(set) var unknownMembers: Set<String> = []

  /// Nil if the bytes are not such a file at all, or hold more keys than there may be.
  init?(_ bytes: [UInt8], digester: SecretDigester) {
    guard bytes.count <= Self.fileBytesMax, let document = try? JSONReader.read(bytes),
      let list = document["keys"]?.array, list.count <= KeyTable.keysMax
    else { return nil }
    for (position, value) in list.enumerated() {
      do throws(KeyFileReason) {
        var reader = try EntryReader(value, position)
        let entry = try reader.entry(digester)
        entries.append(entry)
        notices += reader.notices.map {
          KeyFileRemark(position: position, id: entry.id, reason: $0)
        }
        unknownMembers.formUnion(reader.unknownMembers)
      } catch {
        // An id that broke the rule is not repeated anywhere.
        let id = value["key_id"]?.string.flatMap { KeyID($0)?.text }
        refused.append(KeyFileRemark(position: position, id: id, reason: error))
      }
    }
    refuseTwins()
  }

  /// Equal twins collapse; two entries with one id or one secret that differ are both refused.
  private mutating func refuseTwins() {
    var byID: [String: KeyFileEntry] = [:]
    var bySecret: [Digest256: KeyFileEntry] = [:]
    var bad: [Int: KeyFileReason] = [:]
    var kept: [KeyFileEntry] = []
    for entry in entries {
      if let twin = byID[entry.id] ?? bySecret[entry.digest] {
        var same = entry
        same.position = twin.position
        if same == twin { continue }
        let isID = byID[entry.id] != nil
        bad[entry.position] =
          isID ? .duplicateID(of: twin.position) : .duplicateSecret(of: twin.position)
        bad[twin.position] =
          isID ? .duplicateID(of: entry.position) : .duplicateSecret(of: entry.position)
      } else {
        byID[entry.id] = entry
        bySecret[entry.digest] = entry
        kept.append(entry)
      }
    }
    for entry in entries {
      if let reason = bad[entry.position] {
        refused.append(KeyFileRemark(position: entry.position, id: entry.id, reason: reason))
      }
    }
    refused.sort { $0.position < $1.position }
    entries = kept.filter { bad[$0.position] == nil }
  }

  /// Reads one entry.
  private struct EntryReader {
    private let members: JSONObject
    private let position: Int
    private(set) var notices: [KeyFileReason] = []
    private static let known: Set<String> = [
      "key_id", "key_hash", "key", "api_key", "description", "name", "created_at", "expires_at",
      "revoked_at", "rate_limit", "enabled", "rotated_from", "rotated_to",
    ]

    init(_ value: JSONValue, _ position: Int) throws(KeyFileReason) {
      guard let members = value.object else { throw .notAnObject }
      (self.members, self.position) = (members, position)
    }

    var unknownMembers: Set<String> {
      Set(members.members.map(\.name)).subtracting(Self.known)
    }

    /// Null counts as absent.
    private func member(_ name: String) -> JSONValue? {
      guard let value = members[name], !value.isNull else { return nil }
      return value
    }

    mutating func entry(_ digester: SecretDigester) throws(KeyFileReason) -> KeyFileEntry {
      let (hash, isWeak) = try secret(digester)
      if isWeak { notices.append(.weakSecret) }
      var isEnabled = true
      if let value = members["enabled"] {
        guard let flag = value.boolean else { throw .badEnabled }
        isEnabled = flag
      }
      var rateLimit = try rateLimit()
      if let limit = rateLimit, limit < 1 {
        // There, such a key never worked.
        (rateLimit, isEnabled) = (nil, false)
        notices.append(.rateLimitBelowOne)
      }
      return KeyFileEntry(
        position: position, id: try id(hash), digest: digester.digest(ofHashed: hash),
        description: try description(), createdAt: try time("created_at"),
        expiresAt: try time("expires_at", zeroIsNone: true), rateLimit: rateLimit,
        isEnabled: isEnabled, revokedAt: try time("revoked_at"),
        rotatedFrom: try link("rotated_from"), rotatedTo: try link("rotated_to"), isWeak: isWeak)
    }

    /// The SHA-256 of the secret, from whichever members name it; they must agree.
    private func secret(
      _ digester: SecretDigester
    ) throws(KeyFileReason) -> (Digest256, isWeak: Bool) {
      var hashes: Set<Digest256> = []
      var isWeak = false
      if let value = member("key_hash") {
        guard let text = value.string, let hash = Digest256(hex: text) else { throw .badHash }
        hashes.insert(hash)
      }
      for name in ["key", "api_key"] {
        guard let value = member(name) else { continue }
        guard let text = value.string, !text.isEmpty else { throw .noSecret }
        let bytes = Array(text.utf8)
        guard bytes.count <= KeyTable.secretBytesMax else { throw .secretTooLong }
        guard !KeyFileReading.exampleSecrets.contains(text.lowercased()) else {
          throw .exampleSecret
        }
        hashes.insert(digester.contentDigest(of: bytes.span))
        if bytes.count < KeyFileReading.weakSecretBytes { isWeak = true }
      }
      guard let hash = hashes.first else { throw .noSecret }
      guard hashes.count == 1 else { throw .secretsDisagree }
      return (hash, isWeak)
    }

    private func id(_ hash: Digest256) throws(KeyFileReason) -> String {
      guard let value = member("key_id") else { return String(hash.hex.prefix(8)) }
      guard let id = value.string.flatMap({ KeyID($0)?.text }) else { throw .badID }
      return id
    }

    private func description() throws(KeyFileReason) -> String {
      guard let value = member("description") ?? member("name") else { return "" }
      guard let text = value.string, KeyDetails.isDescription(text) else { throw .badDescription }
      return text
    }

    private func time(
      _ name: String, zeroIsNone: Bool = false
    ) throws(KeyFileReason) -> WallTime? {
      guard let value = member(name) else { return nil }
      guard let time = WallTime(json: value) else { throw .badTime(member: name) }
      return zeroIsNone && time.microseconds == 0 ? nil : time
    }

    private func rateLimit() throws(KeyFileReason) -> Int? {
      guard let value = member("rate_limit") else { return nil }
      guard let number = value.integer, number <= RequestWindow.requestsRange.upperBound else {
        throw .badRateLimit
      }
      return Int(number)
    }

    private func link(_ name: String) throws(KeyFileReason) -> String? {
      guard let value = member(name) else { return nil }
      guard let id = value.string.flatMap({ KeyID($0)?.text }) else { throw .badLink }
      return id
    }
  }
}
