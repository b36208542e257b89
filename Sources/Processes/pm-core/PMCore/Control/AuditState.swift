import PMCrypto
import PMJSON
import PMSystem
import PMWire

extension KeyDetails {
  /// What a change can change, for the digests of the audit log. Of secrets it has the number and
  /// the ends; what names the holder is not in it, as a digest of a name can be guessed for ever.
  var auditState: JSONValue {
    func moment(_ time: WallTime?) -> JSONValue { time.map { .integer($0.microseconds) } ?? .null }
    func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
    let own: JSONObject = [
      "id": .string(id), "source": .string(source.word), "created_at": moment(createdAt),
      "expires_at": moment(expiresAt),
      "is_enabled": .bool(isEnabled), "is_barred": .bool(isBarred), "revoked_at": moment(revokedAt),
      "rotated_at": moment(rotatedAt), "rotated_from": text(rotatedFrom),
      "rotated_to": text(rotatedTo), "secrets": .array(secrets.map { moment($0.closesAt) }),
    ]
    let terms = (limits.members + policy.members).filter { !Self.holderMembers.contains($0.name) }
    return .object(JSONObject(own.members + terms))
  }
}

extension AuditEntry {
  /// The entry with the digests of its target before and after; nil where there was or is none.
  func changing(_ before: JSONValue?, _ after: JSONValue?) -> AuditEntry {
    func digest(_ state: JSONValue?) -> Digest256? {
      state.flatMap { try? SHA256().digest(of: Array($0.canonicalText.utf8).span) }
    }
    var entry = self
    (entry.before, entry.after) = (digest(before), digest(after))
    return entry
  }
}
