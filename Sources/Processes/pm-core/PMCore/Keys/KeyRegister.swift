import PMSystem
import PMWire

/// Computes what keys become. Nothing here is in force, or on disk, until the caller makes it so.
final class KeyRegister {
  /// The new one, and the one that it replaces.
  static let liveSecretsMax = 2

  let keys: KeyTable
  /// The next free row of the ledger.
  private var nextRow: Int64
  /// Rows of deleted keys; an id that comes back goes on with its history.
  private var retiredRows: [String: Int64]

  init(keys: KeyTable, nextRow: Int64, retiredRows: [String: Int64]) {
    (self.keys, self.nextRow, self.retiredRows) = (keys, nextRow, retiredRows)
  }

  /// The row for a new key of this id; each call gives a fresh one, unless the id had one before.
  func row(for id: String) -> Int64 {
    if let row = keys.record(id)?.row ?? retiredRows[id] { return row }
    defer { nextRow += 1 }
    // Remembered at once, so that asking twice before the key is in force gives the same row.
    retiredRows[id] = nextRow
    return nextRow
  }

  /// The row of a key that is or was; nil if there never was one.
  func knownRow(_ id: String) -> Int64? { keys.record(id)?.row ?? retiredRows[id] }

  func details(_ id: String) throws(KeyRefusal) -> KeyDetails {
    guard let record = keys.record(id) else { throw .notFound }
    return record.details
  }

  func create(
    _ new: CoreControl.NewKey, at time: WallTime
  ) throws(KeyRefusal) -> (details: KeyDetails, secret: String) {
    guard keys.count < KeyTable.keysMax else { throw .tooMany }
    let secret = NewSecret()
    let details = KeyDetails(
      row: row(for: secret.keyID), id: secret.keyID, description: new.description, createdAt: time,
      expiresAt: new.expiresDays.map { time.adding(days: $0) },
      limits: new.limits.applied(to: KeyLimits()), policy: new.policy.applied(to: KeyPolicy()),
      source: .store,
      secrets: [KeySecret(digest: keys.digester.digest(of: Array(secret.text.utf8).span))])
    return (details, secret.text)
  }

  func change(_ id: String, _ change: CoreControl.KeyChange) throws(KeyRefusal) -> KeyDetails {
    var details = try keptHere(id)
    if let description = change.description { details.description = description }
    details.limits = change.limits.applied(to: details.limits)
    details.policy = change.policy.applied(to: details.policy)
    details.expiresAt = change.expiresAt.applied(to: details.expiresAt)
    return details
  }

  /// Works on keys of every source; against a file it stands until it is lifted.
  func revoke(_ id: String, at time: WallTime) throws(KeyRefusal) -> KeyDetails {
    var details = try details(id)
    if details.source == .store { details.isEnabled = false } else { details.isBarred = true }
    details.revokedAt = time
    return details
  }

  func enable(_ id: String) throws(KeyRefusal) -> KeyDetails {
    var details = try details(id)
    if details.source == .store {
      details.isEnabled = true
    } else if !details.isEnabled {
      throw details.source == .file ? .disabledInFile : .keptInEnvironment
    }
    details.isBarred = false
    details.revokedAt = nil
    return details
  }

  /// A new secret under the same id; the old one goes on for the overlap and then closes by itself.
  /// Without an overlap all old ones close at once. Three never live: who still needs the oldest
  /// would be cut off before the time that was promised.
  func rotate(
    _ id: String, _ rotation: CoreControl.Rotation, at time: WallTime
  ) throws(KeyRefusal) -> (details: KeyDetails, secret: String) {
    var details = try keptHere(id)
    let secret = NewSecret(forKey: id)
    var secrets = [KeySecret(digest: keys.digester.digest(of: Array(secret.text.utf8).span))]
    if rotation.overlapSeconds > 0, var old = details.secrets.first {
      let live = details.liveSecrets(at: time).count
      guard live < Self.liveSecretsMax else { throw .overlapUnderWay }
      old.closesAt = time.adding(seconds: rotation.overlapSeconds)
      secrets.append(old)
    }
    details.secrets = secrets
    if let days = rotation.expiresDays {
      details.expiresAt = time.adding(days: days)
    } else if let expiresAt = details.expiresAt {
      let life = expiresAt.microseconds - (details.rotatedAt ?? details.createdAt).microseconds
      details.expiresAt = WallTime(microseconds: time.microseconds + life)
    }
    details.rotatedAt = time
    details.isWeak = false
    return (details, secret.text)
  }

  /// Moves a key from its file or variable into the ledger; from now on its source is passed over.
  func adopt(_ id: String) throws(KeyRefusal) -> KeyDetails {
    var details = try details(id)
    guard details.source != .store else { throw .keptInStore }
    details.source = .store
    details.isEnabled = details.isUsable
    details.isBarred = false
    return details
  }

  /// The details of a key whose members are changed here.
  private func keptHere(_ id: String) throws(KeyRefusal) -> KeyDetails {
    let details = try details(id)
    switch details.source {
    case .store: return details
    case .file: throw .keptInFile
    case .environment: throw .keptInEnvironment
    }
  }

  /// Notes that a key is gone, and keeps its row for its id.
  func retire(_ details: KeyDetails) { retiredRows[details.id] = details.row }
}

extension WallTime {
  fileprivate func adding(seconds: Int64) -> WallTime {
    WallTime(microseconds: microseconds + seconds * 1_000_000)
  }
  fileprivate func adding(days: Int64) -> WallTime { adding(seconds: days * 86_400) }
}
