import PMCrypto
import PMSystem

/// What a presented secret is worth. Only who has the secret learns that a key exists.
enum KeyCheck {
  case valid(KeyRecord)
  case unknown
  case expired(KeyRecord)
  case disabled(KeyRecord)
}

/// All keys in force, found by secret or by id. It belongs to the loop; changes act on the next
/// request.
final class KeyTable {
  /// Longer secrets are unknown without being looked at; no issuer makes them.
  static let secretBytesMax = 512
  /// Keys of one source. A list of them all is made on the loop, at some 300 bytes each.
  static let keysMax = 10_000

  private struct Holder {
    let record: KeyRecord
    let closesAt: WallTime?
  }

  let digester: SecretDigester
  private var byID: [String: KeyRecord] = [:]
  private var bySecret: [Digest256: Holder] = [:]
  /// Compared with when a secret is unknown, so that it takes as long.
  private let nobody: Digest256
  /// True while the watched file is missing for longer than is allowed.
  var isFileGone = false
  /// Keys used for the first time on a day, not yet handed to the ledger.
  private(set) var uses: [KeyUse] = []

  init(digester: SecretDigester) {
    self.digester = digester
    nobody = digester.digest(of: randomBytes(Digest256.byteCount).span)
  }

  var count: Int { byID.count }

  /// Who presents this secret, and whether that key may be used at that time.
  func check(_ secret: borrowing Span<UInt8>, at time: WallTime) -> KeyCheck {
    guard secret.count <= Self.secretBytesMax else { return .unknown }
    let digest = digester.digest(of: secret)
    let index = bySecret.index(forKey: digest)
    let expected = index.map { bySecret[$0].key } ?? nobody
    guard digest.matches(expected), let index else { return .unknown }
    let holder = bySecret[index].value
    if let closesAt = holder.closesAt, closesAt <= time { return .expired(holder.record) }
    let details = holder.record.details
    guard details.isUsable, !(isFileGone && details.source == .file) else {
      return .disabled(holder.record)
    }
    if details.isExpired(at: time) { return .expired(holder.record) }
    let day = Int32(clamping: time.seconds.floorDivided(by: 86_400))
    if holder.record.noteUse(day: day) { uses.append(KeyUse(key: holder.record.row, day: day)) }
    return .valid(holder.record)
  }

  /// Hands over what `check` noted.
  func takeUses() -> [KeyUse] {
    defer { uses.removeAll(keepingCapacity: true) }
    return uses
  }

  func record(_ id: String) -> KeyRecord? { byID[id] }

  /// The key that holds a secret, if any does.
  func holder(of digest: Digest256) -> KeyRecord? { bySecret[digest]?.record }

  /// Oldest first; of one moment, by id.
  var allDetails: [KeyDetails] {
    byID.values.map(\.details).sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
  }

  /// Puts a key in force, new or changed.
  func put(_ details: KeyDetails) {
    if let record = byID[details.id] {
      forgetSecrets(of: record)
      record.change(to: details)
      rememberSecrets(of: record)
    } else {
      let record = KeyRecord(details)
      byID[details.id] = record
      rememberSecrets(of: record)
    }
  }

  func remove(_ id: String) {
    guard let record = byID.removeValue(forKey: id) else { return }
    forgetSecrets(of: record)
  }

  private func rememberSecrets(of record: KeyRecord) {
    for secret in record.details.secrets {
      bySecret[secret.digest] = Holder(record: record, closesAt: secret.closesAt)
    }
  }

  private func forgetSecrets(of record: KeyRecord) {
    for secret in record.details.secrets where bySecret[secret.digest]?.record === record {
      bySecret[secret.digest] = nil
    }
  }
}

/// The first use of a key on a day.
struct KeyUse: Sendable {
  let key: Int64
  /// Days since 1970.
  let day: Int32
}
