import PMCrypto
import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

private let passphrase = "a passphrase of tests"

/// The least work that a head may ask for.
private func quickHead() throws -> BackupHead {
  try BackupHead(passphrase: Array(passphrase.utf8).span, costLog: 10)
}

extension BackupFault {
  /// What a body throws; nil if it throws nothing.
  fileprivate static func of(_ body: () throws(BackupFault) -> Void) -> BackupFault? {
    do throws(BackupFault) {
      try body()
      return nil
    } catch { return error }
  }
}

struct BackupFormatTests {
  private func seal(_ plain: [UInt8]) throws -> [UInt8] {
    let sealer = try BackupSealer(try quickHead())
    var out = ByteBuffer()
    sealer.begin(into: &out)
    // In pieces that fit no frame.
    for start in stride(from: 0, to: plain.count, by: 10_007) {
      sealer.seal(Array(plain[start..<min(plain.count, start + 10_007)]).span, into: &out)
    }
    sealer.end(into: &out)
    return out.bytes
  }

  private func open(
    _ sealed: [UInt8], _ count: Int, _ words: String = passphrase
  ) throws -> [UInt8] {
    let file = try SealedMemory.make(sealed, name: "backup")
    let reader = try BackupReader(file, passphrase: Array(words.utf8).span)
    let plain = try reader.take(count)
    try reader.end()
    return plain
  }

  private func fault(
    _ sealed: [UInt8], _ count: Int, _ words: String = passphrase
  ) -> BackupFault? {
    do {
      _ = try open(sealed, count, words)
      return nil
    } catch { return error as? BackupFault }
  }

  private static let frame = 8 + BackupFrame.plainBytesMax + 16

  @Test(
    "What was sealed is opened, at every border of a frame",
    arguments: [0, 1, 65_535, 65_536, 65_537, 131_072, 200_001])
  func roundTrip(_ count: Int) throws {
    let plain = randomBytes(count)
    let sealed = try seal(plain)
    let frames = max(1, (count + 65_535) / 65_536)
    #expect(sealed.count == 48 + count + frames * 24)
    #expect(try open(sealed, count) == plain)
    // More or less than there is.
    #expect(fault(sealed, count + 1) == .unknownContents)
    if count > 0 { #expect(fault(sealed, count - 1) == .unknownContents) }
  }

  @Test("No byte can be changed, and each way of changing has its own name")
  func altered() throws {
    let sealed = try seal(randomBytes(150_000))
    func flipped(_ offset: Int) -> BackupFault? {
      var bytes = sealed
      bytes[offset] ^= 0x10
      return fault(bytes, 150_000)
    }
    for offset in 0..<8 { #expect(flipped(offset) == .notABackup) }
    #expect(flipped(8) == .unknownVersion)
    for offset in 16..<48 { #expect(flipped(offset) == .wrongPassphrase) }
    for offset in 9..<16 { #expect(flipped(offset) != nil) }
    // The number of the first frame, its length, a byte of it, of its tag.
    #expect(flipped(51) == .outOfOrder(frame: 0))
    #expect(flipped(52) == .altered(frame: 0) && flipped(48 + 8) == .altered(frame: 0))
    #expect(flipped(48 + Self.frame - 1) == .altered(frame: 0))
    for offset in stride(from: 48, to: sealed.count, by: 997) { #expect(flipped(offset) != nil) }
    #expect(fault(sealed, 150_000, "another passphrase") == .wrongPassphrase)
    #expect(fault(sealed + [0], 150_000) == .longer)
  }

  @Test("Frames in another order, missing, doubled, or of another backup are refused")
  func moved() throws {
    let sealed = try seal(randomBytes(150_000))
    let head = Array(sealed[..<48])
    func frame(_ number: Int, _ bytes: [UInt8]) -> [UInt8] {
      let start = 48 + number * Self.frame
      return Array(bytes[start..<min(bytes.count, start + Self.frame)])
    }
    let frames = (0..<3).map { frame($0, sealed) }
    func joined(_ parts: [[UInt8]]) -> [UInt8] { head + parts.flatMap { $0 } }
    #expect(fault(joined(frames), 150_000) == nil)
    #expect(fault(joined([frames[1], frames[0], frames[2]]), 150_000) == .outOfOrder(frame: 0))
    #expect(fault(joined([frames[0], frames[2]]), 150_000) == .outOfOrder(frame: 1))
    #expect(fault(joined([frames[0], frames[0]]), 150_000) == .outOfOrder(frame: 1))
    #expect(fault(joined([frames[0], frames[1]]), 150_000) == .truncated(frame: 2))
    let other = try seal(randomBytes(150_000))
    #expect(fault(joined([frame(0, other)] + frames[1...]), 150_000) == .altered(frame: 0))
  }

  @Test("A cut at any place is a cut")
  func truncated() throws {
    let sealed = try seal(randomBytes(70_000))
    for length in [0, 1, 47] { #expect(fault(Array(sealed[..<length]), 70_000) == .notABackup) }
    let second = 48 + Self.frame
    for (length, number) in [(48, 0), (55, 0), (56, 0), (second - 1, 0), (second, 1)] {
      #expect(fault(Array(sealed[..<length]), 70_000) == .truncated(frame: UInt32(number)))
    }
    #expect(fault(Array(sealed.dropLast()), 70_000) == .truncated(frame: 1))
  }
}

struct BackupTests {
  /// A bench with keys and rows; the secret of one.
  private func source(_ scratch: Scratch) throws -> (Bench, secret: String) {
    let bench = try Bench(scratch)
    let made = bench.ask("POST", "/keys", ["description": "kept"])
    let secret = try #require(made.json["key"]?.string)
    for number in 0..<3 {
      let id = RequestID(at: .now(), random: (UInt64(number), 7))
      #expect(bench.commit([.reserve(.played(id), token: 1)]) == [1: true])
      if number > 0 { #expect(bench.commit([.settle(.played(id), token: 2)]) == [2: true]) }
    }
    return (bench, secret)
  }

  private func back(up scratch: Scratch, heads: LedgerHeads? = nil) throws -> [UInt8] {
    let source = BackupSource(stateDirectory: scratch.path, credentialsDirectory: scratch.path)
    let sealer = try BackupSealer(try quickHead())
    var bytes: [UInt8] = []
    let isWhole = try source.snapshot(at: .now(), heads: heads).seal(sealer) { piece in
      bytes += Array(copying: piece)
      return true
    }
    #expect(isWhole && !scratch.names.contains(BackupSource.snapshotName))
    return bytes
  }

  private func write(_ backup: [UInt8], to scratch: Scratch) throws(BackupFault) -> Restoration {
    let restoration = Restoration(stateDirectory: scratch.path)
    guard let file = try? SealedMemory.make(backup, name: "backup") else { throw .crypto }
    _ = try restoration.write(try BackupReader(file, passphrase: Array(passphrase.utf8).span))
    return restoration
  }

  /// In the place of what is there; gives the folder of that.
  @discardableResult
  private func restore(_ backup: [UInt8], to scratch: Scratch) throws -> String? {
    let restoration = try write(backup, to: scratch)
    try restoration.closeOld()
    try restoration.decide()
    return try restoration.finish(at: .now())
  }

  @Test("A backup of a running core has its keys, rows and settings, and nothing half")
  func whole() throws {
    let (bench, secret) = try source(Scratch())
    let backup = try back(up: bench.scratch)
    // Written after the moment of the backup.
    _ = bench.ask("POST", "/keys")
    let target = try Scratch()
    #expect(try restore(backup, to: target) == nil)
    #expect(Set(target.names) == ["ledger.sqlite", "pepper"])
    let after = try Bench(target)
    #expect(after.check(secret).word.hasPrefix("valid"))
    #expect(after.ask("GET", "/keys").json["keys"]?.array?.count == 1)
    // The one that was under way is charged whole, as after a kill.
    #expect(after.accounts.unsettled == 1)
    let sums = "SELECT count(*) * 1000000 + sum(cost_nano_euro) FROM ended"
    #expect(try after.reader().integer(sums) == 3_000_000 + 2 * 600 + 1000)
    #expect(after.ask("GET", "/ledger/verify").json["is_sound"] == true)
  }

  @Test("The desk makes one at a time, for administrators, and has it on record")
  func desk() throws {
    let (bench, _) = try source(Scratch())
    let order: JSONValue = ["passphrase": .string(passphrase), "reason": "move"]
    #expect(bench.ask("POST", "/backup", order, uid: 4242).status == 403)
    for (body, status) in [
      (["passphrase": "too short"], 422), ([:], 422), (["passphrase": 12], 422),
      (["passphrase": .string(passphrase), "x": 1], 422),
    ] as [(JSONValue, Int)] {
      #expect(bench.ask("POST", "/backup", body).status == status)
    }
    // More than a socket holds.
    try Database(path: bench.accounts.ledgerPath).execute(
      "INSERT INTO setting VALUES ('filling', zeroblob(4000000))")
    let first = bench.ask("POST", "/backup", order)
    let second = bench.ask("POST", "/backup", order)
    #expect(first.status == 200 && second.errorCode == "backup_running")
    guard case .stream(let stream) = first.body else {
      Issue.record("no stream")
      return
    }
    // Who loses interest ends it.
    if let taken = stream.take() { _ = consume taken } else { Issue.record("it was taken") }
    bench.turn(until: { !bench.desk.backups.isRunning })
    let audit = try #require(bench.ask("GET", "/audit").json["audit"]?.array)
    #expect(audit.first?["action"] == "backup" && audit.first?["reason"] == "move")
    #expect(audit.count { $0["action"] == "backup" } == 1)
    #expect(!bench.scratch.names.contains(BackupSource.snapshotName))
  }

  @Test("What a killed core left of a copy is gone with the next start")
  func leftCopy() throws {
    let scratch = try Scratch()
    try scratch.write("half", to: BackupSource.snapshotName)
    _ = try Bench(scratch)
    #expect(!scratch.names.contains(BackupSource.snapshotName))
  }

  @Test("What is there is kept in a folder of its own, and can be put back")
  func replaced() throws {
    let (bench, secret) = try source(Scratch())
    let backup = try back(up: bench.scratch)
    let (present, other) = try source(Scratch())
    let image = try present.scratch.image()
    let kept = try #require(try restore(backup, to: image))
    let folder = try Folder(kept)
    #expect(Set(folder.names(countMax: 9)) == ["ledger.sqlite", "pepper"])
    let after = try Bench(image)
    #expect(after.check(secret).word.hasPrefix("valid") && after.check(other).word == "unknown")
    after.close()
    for name in ["ledger.sqlite", "pepper"] {
      try FileIO.rename("\(kept)/\(name)", to: image.file(name))
    }
    _ = FileIO.removeFolder(kept)
    #expect(try Bench(image).check(other).word.hasPrefix("valid"))
  }

  @Test("A ledger that somebody uses is not replaced")
  func inUse() throws {
    let (bench, _) = try source(Scratch())
    let restoration = try write(try back(up: bench.scratch), to: bench.scratch)
    #expect(BackupFault.of { () throws(BackupFault) in try restoration.closeOld() } == .ledgerInUse)
    try restoration.finish(at: .now())
    #expect(!bench.scratch.names.contains("restore"))
  }

  @Test("Genuine contents that do not belong together are refused, each by name")
  func contents() throws {
    func refusal(_ change: (Scratch) throws -> Void) throws -> BackupFault? {
      let (bench, _) = try source(Scratch())
      bench.close()
      let image = try bench.scratch.image()
      let heads = try LedgerHeads(Database(path: image.file("ledger.sqlite"), .readOnly))
      try change(image)
      let backup = try back(up: image, heads: heads)
      let target = try Scratch()
      let fault = BackupFault.of { () throws(BackupFault) in _ = try write(backup, to: target) }
      #expect(fault == nil || target.names.isEmpty)
      return fault
    }
    func edit(_ sql: String) -> (Scratch) throws -> Void {
      { try Database(path: $0.file("ledger.sqlite")).execute(sql) }
    }
    let known = LedgerSchema.schema.steps.count
    #expect(try refusal { _ in } == nil)
    #expect(
      try refusal(edit("PRAGMA user_version=99")) == .newerSchema(found: 99, known: known))
    #expect(try refusal(edit("PRAGMA application_id=1")) == .foreignLedger)
    #expect(try refusal(edit("UPDATE ended SET cost_nano_euro = 1")) == .brokenChain)
    #expect(try refusal(edit("UPDATE audit SET actor = 'x'")) == .brokenChain)
    #expect(
      try refusal(edit("DELETE FROM ended WHERE row = 2")) == .brokenChain)
    #expect(
      try refusal { scratch in
        try FileIO.replace(scratch.file("pepper"), with: randomBytes(32), mode: 0o600)
      } == .pepperMismatch)
  }

  @Test("A backup of every earlier schema is restored, and brought forward at the next start")
  func earlier() throws {
    for steps in 1..<LedgerSchema.schema.steps.count {
      let scratch = try Scratch()
      _ = try Pepper.load(stateDirectory: scratch.path, credentialsDirectory: nil)
      do {
        let database = try Database(path: scratch.file("ledger.sqlite"))
        let old = Schema(
          applicationID: LedgerSchema.schema.applicationID,
          steps: Array(LedgerSchema.schema.steps[..<steps]))
        try database.migrate(to: old, backupPath: scratch.file("never"))
        try database.execute("INSERT INTO model VALUES (1, 'of-old')")
      }
      let target = try Scratch()
      try restore(try back(up: scratch), to: target)
      let after = try Bench(target)
      #expect(
        try after.reader().integer("PRAGMA user_version") == Int64(LedgerSchema.schema.steps.count))
      #expect(after.accounts.models.index(of: "of-old") != nil)
    }
  }

  /// Every state that a kill can leave, from the folder that is being written to the last one.
  @Test("A restoration that was cut off anywhere is undone or finished by the next start")
  func cutOff() throws {
    let old = ["ledger.sqlite", "ledger.sqlite-wal", "pepper", "receipt.key"]
    let new = ["ledger.sqlite", "pepper"]
    /// Old files still in place, old files moved, new files waiting, stage.
    func state(_ moved: Int, _ placed: Int, _ stage: String, hasOld: Bool) throws -> Scratch {
      let scratch = try Scratch()
      let isPlacing = stage == "restore.placing"
      try FileIO.makeFolder(scratch.file(stage), mode: 0o700)
      if hasOld { try FileIO.makeFolder(scratch.file("\(stage)/old"), mode: 0o700) }
      for (number, name) in old.enumerated() {
        let isMoved = isPlacing || number < moved
        if isPlacing && !hasOld { continue }
        try scratch.write("old", to: isMoved ? "\(stage)/old/\(name)" : name)
      }
      for (number, name) in new.enumerated() {
        try scratch.write("new", to: isPlacing && number < placed ? name : "\(stage)/\(name)")
      }
      return scratch
    }
    func text(_ scratch: Scratch, _ name: String) -> String? {
      (try? FileIO.read(scratch.file(name), bytesMax: 10)).map {
        String(decoding: $0, as: UTF8.self)
      }
    }
    func finish(_ scratch: Scratch) throws -> String? {
      let kept = try Restoration(stateDirectory: scratch.path).finish(at: .now())
      #expect(!scratch.names.contains { $0.hasPrefix("restore") })
      #expect(try Restoration(stateDirectory: scratch.path).finish(at: .now()) == nil)
      return kept
    }
    func clear(_ path: String) throws {
      let folder = try Folder(path)
      for name in folder.names(countMax: 9) { folder.remove(name) }
      #expect(FileIO.removeFolder(path))
    }
    let undecided = try state(0, 0, "restore", hasOld: false)
    #expect(try finish(undecided) == nil)
    #expect(Set(undecided.names) == Set(old) && text(undecided, "pepper") == "old")
    var states: [Scratch] = [try state(0, 0, "restore.ready", hasOld: false)]
    for moved in 0...old.count {
      states.append(try state(moved, 0, "restore.ready", hasOld: true))
    }
    for placed in 0...new.count {
      states.append(try state(0, placed, "restore.placing", hasOld: true))
    }
    for state in states {
      let kept = try #require(try finish(state))
      #expect(Set(state.names).subtracting(new).count == 1 && state.names.count == 3)
      #expect(new.allSatisfy { text(state, $0) == "new" })
      #expect(Set(try Folder(kept).names(countMax: 9)) == Set(old))
      try clear(kept)
    }
    let last = try state(0, new.count, "restore.placing", hasOld: false)
    #expect(try finish(last) == nil)
    #expect(Set(last.names) == Set(new))
  }
}

extension ReservationRow {
  fileprivate static func played(_ id: RequestID) -> ReservationRow {
    ReservationRow(
      id: id, key: 1, model: ModelIndex(row: 1), route: .chat, reservedNanoEuro: 1000, price: 1,
      priceTable: 1)
  }
}

extension SettlementRow {
  fileprivate static func played(_ id: RequestID) -> SettlementRow {
    SettlementRow(
      id: id, usage: Usage(prompt: 30, cached: 10, output: 5, source: .upstream),
      costNanoEuro: 600, reservedNanoEuro: 1000, status: 200, firstByteMilliseconds: 7,
      totalMilliseconds: 70)
  }
}
