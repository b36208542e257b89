import PMCrypto
import PMStore
import PMSystem

/// What a backup is made of.
struct BackupSource: Sendable {
  let stateDirectory: String
  /// Nil if there are no credentials.
  let credentialsDirectory: String?

  /// The copy of the ledger while it is made; its name is taken away as soon as it is open.
  static let snapshotName = "backup.snapshot"
  /// Left on the disk for the ledger itself: its log, and as much for moving that into the file.
  static let spareBytes: Int64 = 16 << 20

  private func path(_ name: String) -> String { "\(stateDirectory)/\(name)" }

  /// Removes what a killed core may have left.
  func removeSnapshot() throws(SystemError) { try FileIO.remove(path(Self.snapshotName)) }

  /// The ledger as it is at one moment, whatever is written meanwhile, and what belongs to it.
  /// `heads` were written before.
  func snapshot(
    at time: WallTime, heads: LedgerHeads?
  ) throws(BackupFault) -> Snapshot {
    do throws(SystemError) {
      try removeSnapshot()
      // Made by us: the library's own file would be open to other users.
      _ = try FileIO.makeNew(path(Self.snapshotName))
    } catch { throw .system(error) }
    // Whatever happens nothing is left behind; who holds the file open keeps it.
    defer { _ = try? removeSnapshot() }
    let (schema, counts) = try copyLedger()
    do throws(SystemError) {
      let ledger = try FileIO.open(path(Self.snapshotName), followingLink: false)
      let pepper = try Pepper.load(
        stateDirectory: stateDirectory, credentialsDirectory: credentialsDirectory)
      var secrets = [(BackupPart.pepper, pepper)]
      if let key = try receiptKey() { secrets.append((.receiptKey, key)) }
      let (bytes, digest) = try Self.digest(ledger)
      let files =
        [BackupManifest.File(part: .ledger, bytes: bytes, digest: digest)]
        + secrets.map { part, content in
          .init(
            part: part, bytes: Int64(content.count), digest: Digest256(hashing: content.span))
        }
      let manifest = BackupManifest(
        madeAt: time, schema: schema, files: files, counts: counts, heads: heads)
      return Snapshot(ledger: ledger, secrets: secrets.map(\.1), manifest: manifest)
    } catch { throw .system(error) }
  }

  private func copyLedger() throws(BackupFault) -> (schema: Int, counts: [BackupManifest.Count]) {
    do throws(StoreError) {
      let database = try Database(path: path(LedgerSchema.fileName), .readOnly)
      let needed = try database.fileBytes() + Self.spareBytes
      let free = (try? FileIO.freeBytes(stateDirectory)) ?? .max
      guard free >= needed else { throw .full }
      try database.back(up: path(Self.snapshotName))
      let copy = try Database(path: path(Self.snapshotName), .readOnly)
      let counts = try Self.counts.map { (name, query) throws(StoreError) in
        BackupManifest.Count(name: name, rows: try copy.integer(query) ?? 0)
      }
      return (Int(try copy.integer("PRAGMA user_version") ?? 0), counts)
    } catch { throw BackupFault(error) }
  }

  /// Rows of `ended` are numbered without gaps; to count them would be to read them.
  private static let counts = [
    ("keys", "SELECT count(*) FROM key WHERE deleted_at IS NULL"),
    ("requests", "SELECT max(row) FROM ended"),
    ("open_requests", "SELECT count(*) FROM reservation"),
    ("prices", "SELECT count(*) FROM price"),
    ("audit", "SELECT max(row) FROM audit"),
  ]

  private func receiptKey() throws(SystemError) -> [UInt8]? {
    do throws(SystemError) {
      return try FileIO.read(
        path(BackupPart.receiptKey.rawValue), bytesMax: BackupPart.secretBytesMax)
    } catch {
      if error.isAbsence { return nil }
      throw error
    }
  }

  private static func digest(
    _ file: borrowing OwnedDescriptor
  ) throws(SystemError) -> (bytes: Int64, digest: Digest256) {
    guard let hash = try? SHA256() else { throw SystemError(.malformed, 0) }
    var bytes: Int64 = 0
    try FileIO.readPieces(file, bytesMax: .max) { piece in
      hash.update(piece.span)
      bytes += Int64(piece.count)
    }
    return (bytes, hash.finish())
  }
}

/// The files of a backup, in the order of its manifest.
struct Snapshot: ~Copyable {
  let ledger: OwnedDescriptor
  /// All others.
  let secrets: [[UInt8]]
  let manifest: BackupManifest
  static let pieceBytes = BackupFrame.plainBytesMax

  /// Gives out all of it, sealed, piece by piece; false if `take` does not want more, or the copy
  /// of the ledger cannot be read.
  consuming func seal(
    _ sealer: BackupSealer, _ take: (borrowing Span<UInt8>) -> Bool
  ) -> Bool {
    var out = ByteBuffer()
    func pass(_ out: inout ByteBuffer) -> Bool {
      defer { out.clear() }
      return out.isEmpty || take(out.span)
    }
    let text = manifest.bytes
    sealer.begin(into: &out)
    sealer.seal(UInt32(text.count).bigEndianBytes.span, into: &out)
    sealer.seal(text.span, into: &out)
    var piece = ByteBuffer()
    var offset = 0
    repeat {
      piece.clear()
      guard
        let count = try? FileIO.read(ledger, at: offset, upTo: Self.pieceBytes, into: &piece)
      else { return false }
      offset += count
      sealer.seal(piece.span, into: &out)
      guard pass(&out) else { return false }
    } while !piece.isEmpty
    for secret in secrets { sealer.seal(secret.span, into: &out) }
    sealer.end(into: &out)
    return pass(&out)
  }
}
