import PMCrypto
import PMStore
import PMSystem

/// Puts a backup in the place of what is in the state directory, so that a kill at any instant
/// leaves the old state or the new one whole. What was decided is finished by whoever comes next:
///
///     restore/          being written; nothing yet
///     restore.ready/    decided: the old files go to restore.ready/old
///     restore.placing/  the new files go to their places, then old becomes replaced-TIME
///
/// The name says how far it came; each step is done again without harm.
struct Restoration {
  let stateDirectory: String

  private enum Stage: String {
    case writing = "restore"
    case ready = "restore.ready"
    case placing = "restore.placing"
  }
  private static let old = "old"
  /// Everything that belongs to the state which a backup replaces; the log of a ledger that was
  /// not closed goes with it.
  private static let replaced =
    BackupPart.allCases.map(\.rawValue)
    + ["-wal", "-shm"].map { BackupPart.ledger.rawValue + $0 }

  private func path(_ stage: Stage) -> String { "\(stateDirectory)/\(stage.rawValue)" }
  private func path(_ name: String) -> String { "\(stateDirectory)/\(name)" }
  private func path(_ part: BackupPart, _ stage: Stage) -> String {
    "\(path(stage))/\(part.rawValue)"
  }

  /// Reads a backup into a folder of its own and looks at all of it; nothing of what is in force
  /// is touched.
  func write(_ reader: BackupReader) throws(BackupFault) -> BackupManifest {
    do throws(SystemError) {
      try clear(.writing)
      try FileIO.makeNewFolder(path(.writing), mode: 0o700)
    } catch { throw .system(error) }
    do throws(BackupFault) {
      let manifest = try readManifest(reader)
      for file in manifest.files { try write(file, reader) }
      try reader.end()
      try check(manifest)
      return manifest
    } catch {
      _ = try? clear(.writing)
      throw error
    }
  }

  private func readManifest(_ reader: BackupReader) throws(BackupFault) -> BackupManifest {
    let prefix = try reader.take(4)
    let length = UInt32(bigEndian: prefix.span, at: 0)
    guard length <= BackupManifest.bytesMax else { throw .unknownContents }
    let manifest = try BackupManifest(reading: try reader.take(Int(length)))
    let known = LedgerSchema.schema.steps.count
    guard manifest.schema <= known else {
      throw .newerSchema(found: manifest.schema, known: known)
    }
    return manifest
  }

  private func write(_ file: BackupManifest.File, _ reader: BackupReader) throws(BackupFault) {
    guard let hash = try? SHA256() else { throw .crypto }
    let target = try make(file.part)
    var left = Int(file.bytes)
    var piece = ByteBuffer()
    while left > 0 {
      try reader.take(upTo: left, into: &piece)
      hash.update(piece.span)
      do throws(SystemError) {
        try FileIO.write(piece.span, to: target)
      } catch { throw .system(error) }
      left -= piece.count
      piece.clear()
    }
    guard hash.finish().matches(file.digest) else { throw .digestDiffers(file.part) }
    do throws(SystemError) { try FileIO.sync(target) } catch { throw .system(error) }
  }

  private func make(_ part: BackupPart) throws(BackupFault) -> OwnedDescriptor {
    do throws(SystemError) {
      return try FileIO.makeNew(path(part, .writing))
    } catch { throw .system(error) }
  }

  /// That the ledger is one of ours, sound, not of a newer program, under the pepper beside it, and
  /// that its rows are those which were linked. One of an older schema has other links, or none; it
  /// gets them at the next start.
  private func check(_ manifest: BackupManifest) throws(BackupFault) {
    let known = LedgerSchema.schema.steps.count
    let mark = try pepperMark()
    var isMarked = true
    var isLinked = true
    do throws(StoreError) {
      let database = try Database(path: path(.ledger, .writing), .readOnly)
      try database.checkStructure()
      let owner = try database.integer("PRAGMA application_id")
      guard owner == Int64(LedgerSchema.schema.applicationID) else { throw .foreign }
      guard try database.integer("PRAGMA user_version") == Int64(manifest.schema) else {
        throw .damaged
      }
      let pepper = try database.prepare("SELECT value FROM setting WHERE name = ?1")
      try pepper.bind(1, text: LedgerMark.pepper.rawValue)
      isMarked = try !pepper.step() || pepper.blob(0) == mark
      if manifest.schema == known {
        let verification = try LedgerVerification(
          database, links: manifest.heads.map { [$0.ledger] } ?? [],
          audit: manifest.heads.map { [$0.audit] } ?? [])
        isLinked = verification.ledger.fault == nil && verification.audit.fault == nil
      }
    } catch { throw BackupFault(error) }
    guard isMarked else { throw .pepperMismatch }
    guard isLinked else { throw .brokenChain }
  }

  private func pepperMark() throws(BackupFault) -> [UInt8] {
    let pepper: [UInt8]
    do throws(SystemError) {
      pepper = try Pepper.load(stateDirectory: path(.writing), credentialsDirectory: nil)
    } catch { throw .system(error) }
    do throws(CryptoError) {
      return try SecretDigester(pepper: pepper.span).pepperMark.bytes
    } catch { throw .crypto }
  }

  /// Confirms that nobody uses the ledger that is there, and moves its log into it. One that is
  /// damaged is moved as it is.
  func closeOld() throws(BackupFault) {
    let ledger = path(BackupPart.ledger.rawValue)
    guard FileIO.isThere(ledger) else { return }
    do throws(StoreError) {
      try Database(path: ledger).execute("PRAGMA journal_mode=DELETE")
    } catch {
      if error.isBusy { throw .ledgerInUse }
    }
  }

  /// Decides: from here on the restoration is finished by whoever comes next, whatever happens.
  func decide() throws(SystemError) {
    try FileIO.syncFolder(path(.writing))
    try FileIO.rename(path(.writing), to: path(.ready))
    try FileIO.syncFolder(stateDirectory)
  }

  /// Finishes what was decided, if anything was, and removes what was not. Gives the folder in
  /// which the old files are now; nil if there were none.
  @discardableResult
  func finish(at time: WallTime) throws(SystemError) -> String? {
    try clear(.writing)
    if FileIO.isThere(path(.ready)) { try moveOld() }
    guard FileIO.isThere(path(.placing)) else { return nil }
    for part in BackupPart.allCases where FileIO.isThere(path(part, .placing)) {
      try FileIO.rename(path(part, .placing), to: path(part.rawValue))
    }
    try FileIO.syncFolder(stateDirectory)
    let old = "\(path(.placing))/\(Self.old)"
    var kept: String?
    if FileIO.isThere(old), !FileIO.removeFolder(old) {
      let name = path("replaced-\(time.microseconds)")
      try FileIO.rename(old, to: name)
      kept = name
    }
    _ = FileIO.removeFolder(path(.placing))
    return kept
  }

  private func moveOld() throws(SystemError) {
    let old = "\(path(.ready))/\(Self.old)"
    if !FileIO.isThere(old) { try FileIO.makeNewFolder(old, mode: 0o700) }
    for name in Self.replaced where FileIO.isThere(path(name)) {
      try FileIO.rename(path(name), to: "\(old)/\(name)")
    }
    try FileIO.syncFolder(old)
    try FileIO.rename(path(.ready), to: path(.placing))
    try FileIO.syncFolder(stateDirectory)
  }

  private func clear(_ stage: Stage) throws(SystemError) {
    guard FileIO.isThere(path(stage)) else { return }
    let folder = try Folder(path(stage))
    for name in folder.names(countMax: Self.leftoversMax) { folder.remove(name) }
    _ = FileIO.removeFolder(path(stage))
  }

  /// More files than a restoration that was cut off can leave.
  private static let leftoversMax = 16
}
