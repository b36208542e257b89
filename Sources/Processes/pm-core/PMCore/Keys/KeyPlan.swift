import PMCrypto
import PMSystem

/// What has to change so that the keys are what their sources say.
struct KeyPlan: Equatable {
  /// New keys, and keys as they become.
  var puts: [KeyDetails] = []
  var removals: [KeyDetails] = []
  /// Entries that are passed over, because a source of higher rank holds their id or secret.
  var shadowed = 0

  var isEmpty: Bool { puts.isEmpty && removals.isEmpty }

  func changes(at time: WallTime) -> [LedgerChange] {
    removals.map { .deleteKey(row: $0.row, at: time) } + puts.map { .putKey($0) }
  }
}

/// One key of the predecessor's variable.
struct EnvironmentKey: Equatable, Sendable {
  static let description = "From API_KEYS environment variable"
  let id: String
  let digest: Digest256
  let isWeak: Bool

  /// Reads comma-separated secrets. Ids count all items, empty ones too, so that ids stay when an
  /// item is emptied. Items that are too long for a secret are passed over.
  static func read(_ text: String, digester: SecretDigester) -> [EnvironmentKey] {
    var keys: [EnvironmentKey] = []
    for (number, item) in text.split(separator: ",", omittingEmptySubsequences: false).enumerated()
    {
      let secret = Array(item.utf8).trimmed
      guard !secret.isEmpty, secret.count <= KeyTable.secretBytesMax else { continue }
      keys.append(
        EnvironmentKey(
          id: "env_key_\(number)", digest: digester.digest(of: secret.span),
          isWeak: secret.count < KeyFileReading.weakSecretBytes))
    }
    return keys
  }
}

extension [UInt8] {
  /// Without the blanks and line ends around it.
  fileprivate var trimmed: [UInt8] {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    guard let first = firstIndex(where: { !isBlank($0) }),
      let last = lastIndex(where: { !isBlank($0) })
    else { return [] }
    return Array(self[first...last])
  }
}

extension KeyRegister {
  /// Compares the keys with what file and environment hold now. The ledger's own keys outrank the
  /// file's, and these the environment's. Without `file` the keys of the file stay as they are.
  func plan(
    file: [KeyFileEntry]?, environment: [EnvironmentKey], at time: WallTime
  ) -> KeyPlan {
    var plan = KeyPlan()
    var wanted: [String: KeyDetails] = [:]
    var secrets: Set<Digest256> = []
    let current = keys.allDetails
    for details in current
    where details.source == .store || (file == nil && details.source == .file) {
      wanted[details.id] = details
      secrets.formUnion(details.secrets.map(\.digest))
    }
    for entry in file ?? [] {
      guard wanted[entry.id] == nil, secrets.insert(entry.digest).inserted else {
        plan.shadowed += 1
        continue
      }
      wanted[entry.id] = entry.details(
        row: row(for: entry.id), source: .file, old: keys.record(entry.id)?.details, at: time)
    }
    for key in environment {
      guard wanted[key.id] == nil, secrets.insert(key.digest).inserted else {
        plan.shadowed += 1
        continue
      }
      wanted[key.id] = details(of: key, at: time)
    }
    for details in current where wanted[details.id] == nil {
      if let remnant = Self.remnant(of: details) {
        wanted[details.id] = remnant
      } else {
        plan.removals.append(details)
      }
    }
    plan.puts = wanted.values.filter { keys.record($0.id)?.details != $0 }.sorted {
      $0.row < $1.row
    }
    return plan
  }

  private func details(of key: EnvironmentKey, at time: WallTime) -> KeyDetails {
    let old = keys.record(key.id)?.details
    var details = KeyDetails(
      row: row(for: key.id), id: key.id, description: EnvironmentKey.description,
      createdAt: old?.createdAt ?? time, source: .environment, isWeak: key.isWeak,
      lastUsedDay: old?.lastUsedDay, secrets: [KeySecret(digest: key.digest)])
    if let old, old.isBarred { (details.isBarred, details.revokedAt) = (true, old.revokedAt) }
    return details
  }

  /// What stays of a key that its source holds no more: one that was revoked here stays revoked
  /// when it comes back, and one of the environment is shown as switched off.
  private static func remnant(of details: KeyDetails) -> KeyDetails? {
    guard details.isBarred || details.source == .environment else { return nil }
    var remnant = details
    remnant.isEnabled = false
    remnant.secrets = []
    return remnant
  }
}
