import PMCrypto
import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

/// `state cost source flags` of the rows, oldest first.
private func rows(_ database: Database) throws -> [String] {
  let statement = try database.prepare(
    "SELECT state, cost_nano_euro, usage_source, flags FROM request ORDER BY id")
  var rows: [String] = []
  while try statement.step() {
    let values = (0..<4).map { statement.integerOrNil(Int32($0)).map { String($0) } ?? "-" }
    rows.append(values.joined(separator: " "))
  }
  return rows
}

struct LedgerTests {
  @Test("A reservation is on disk when it is confirmed, and a settlement ends it once")
  func reserveAndSettle() throws {
    let bench = try Bench(Scratch())
    let id = newID()
    #expect(bench.commit([.reserve(reservation(id), token: 1)]) == [1: true])
    #expect(try rows(bench.reader()) == ["0 - - -"])
    #expect(bench.commit([.settle(settlement(id), token: 2)]) == [2: true])
    #expect(bench.commit([.settle(settlement(id, 999), token: 3)]) == [3: true])
    #expect(try rows(bench.reader()) == ["1 600 1 0"])
    let tokens = try bench.reader().integer(
      "SELECT fresh_tokens * 10000 + cached_tokens * 100 + output_tokens FROM request")
    #expect(tokens == 201_005)
  }

  @Test("A reservation and its end in one batch, and thousands of both")
  func batches() throws {
    let bench = try Bench(Scratch())
    var operations: [LedgerOperation] = []
    for number in 0..<4000 {
      let id = newID()
      operations.append(.reserve(reservation(id), token: UInt64(2 * number)))
      operations.append(.settle(settlement(id), token: UInt64(2 * number + 1)))
    }
    let done = bench.commit(operations)
    #expect(done.count == 8000 && done.values.allSatisfy { $0 })
    #expect(
      try bench.reader().integer("SELECT sum(cost_nano_euro) FROM request WHERE state = 1")
        == 2_400_000)
  }

  @Test("A crash loses and doubles nothing: what was open is charged in full, once")
  func crash() throws {
    let bench = try Bench(Scratch())
    // Ids in the order of time, whatever the clock does within a millisecond.
    let now = WallTime.now()
    let ids = (0..<4).map { newID(at: WallTime(microseconds: now.microseconds + Int64($0) * 2000)) }
    let open: [LedgerOperation] = ids.enumerated().map {
      .reserve(reservation($0.element, $0.offset == 3 ? nil : 1000), token: UInt64($0.offset))
    }
    #expect(bench.commit(open).values.allSatisfy { $0 })
    #expect(
      bench.commit([
        .settle(settlement(ids[0]), token: 10),
        .settle(settlement(ids[1], 0, state: .released), token: 11),
      ]).values.allSatisfy { $0 })
    let image = try bench.scratch.image()
    let after = try Bench(image)
    #expect(after.accounts.unsettled == 2)
    let expected = ["1 600 1 0", "2 0 1 0", "3 1000 3 0", "3 - 3 32"]
    #expect(try rows(after.reader()) == expected)
    // A settlement that comes too late changes nothing, and a second start finds nothing open.
    #expect(after.commit([.settle(settlement(ids[2]), token: 1)]) == [1: true])
    let again = try Bench(image.image())
    #expect(again.accounts.unsettled == 0)
    #expect(try rows(again.reader()) == expected)
  }

  @Test("Open requests are found after any checkpoint, and after the clock went back")
  func openRequests() throws {
    let bench = try Bench(Scratch())
    let now = WallTime.now()
    let hour: Int64 = 3_600_000_000
    let early = newID(at: WallTime(microseconds: now.microseconds - hour))
    let (first, second) = (
      newID(at: now), newID(at: WallTime(microseconds: now.microseconds + 2000))
    )
    _ = bench.commit([
      .reserve(reservation(first), token: 1), .reserve(reservation(second), token: 2),
    ])
    _ = bench.commit([.settle(settlement(first), token: 3)])
    // Quiet for longer than the checkpoint waits.
    bench.turn(milliseconds: Ledger.checkpointQuietMilliseconds + 500)
    _ = bench.commit([.reserve(reservation(early), token: 4)])
    #expect(try Bench(bench.scratch.image()).accounts.unsettled == 2)
    _ = bench.commit([.settle(settlement(early), token: 5), .settle(settlement(second), token: 6)])
    bench.turn(milliseconds: Ledger.checkpointQuietMilliseconds + 500)
    #expect(try bench.reader().integer("SELECT count(*) FROM reservation") == 0)
    #expect(try Bench(bench.scratch.image()).accounts.unsettled == 0)
  }

  @Test("Any period is read exactly and in order, whatever the clock did while it was written")
  func periods() throws {
    let scratch = try Scratch()
    do { _ = try Bench(scratch) }
    let path = scratch.file(LedgerSchema.fileName)
    var random = SeededRandom(seed: 4)
    var clock: Int64 = 1_700_000_000_000_000
    var (open, all): ([RequestID], [RequestID]) = ([], [])
    for round in 0..<12 {
      // A start in between takes up what the file has.
      let writer = try LedgerWriter(path: path)
      for _ in 0..<40 {
        var batch: [LedgerOperation] = []
        for _ in 0..<Int.random(in: 1...20, using: &random) {
          clock += .random(in: 0...20_000, using: &random)
          let id = newID(at: WallTime(microseconds: clock))
          open.append(id)
          batch.append(.reserve(reservation(id), token: 0))
        }
        open.shuffle(using: &random)
        while open.count > 30, let id = open.popLast() {
          batch.append(.settle(settlement(id), token: 0))
        }
        for case .reserve(let row, _) in batch { all.append(row.id) }
        try writer.write(batch)
      }
      if round.isMultiple(of: 5) { clock -= .random(in: 0...60_000_000, using: &random) }
    }
    all.sort()
    let reader = try Database(path: path, .readOnly)
    #expect(try reader.integer("SELECT count(*) FROM span") ?? 0 > 2)
    let times = all.map(\.time.microseconds)
    let (first, last) = (try #require(times.first), try #require(times.last))
    for number in 0..<40 {
      let ends = (0..<2).map { _ in
        WallTime(microseconds: .random(in: first - 1000...last + 1000, using: &random))
      }
      let (from, to) = (RequestID.lowest(at: ends.min() ?? ends[0]), ends.max() ?? ends[0])
      let database = try Database(path: path, .readOnly)
      let rows = try UsageRows(
        database, from: from, to: to, key: number.isMultiple(of: 3) ? 1 : nil,
        sortedRowsMin: .random(in: 1...3000, using: &random))
      var read: [RequestID] = []
      while let row = try rows.next() { read.append(row.id) }
      #expect(read == all.filter { $0 >= from && $0 < RequestID.lowest(at: to) })
    }
  }

  @Test("An id that is under way twice fails its batch and nothing after it")
  func sameID() throws {
    let bench = try Bench(Scratch())
    let (id, other) = (newID(), newID())
    #expect(bench.commit([.reserve(reservation(id), token: 1)]) == [1: true])
    let refused = bench.commit([
      .settle(settlement(id), token: 2), .reserve(reservation(other), token: 3),
      .reserve(reservation(other), token: 4),
    ])
    #expect(refused == [2: false, 3: false, 4: false] && bench.standing == .open)
    #expect(try rows(bench.reader()) == ["0 - - -"])
    #expect(
      bench.commit([.reserve(reservation(other), token: 5), .settle(settlement(id), token: 6)])
        == [5: true, 6: true])
    #expect(try rows(bench.reader()).sorted() == ["0 - - -", "1 600 1 0"])
  }

  @Test("What another program writes is taken up without a failure")
  func anotherWriter() throws {
    let bench = try Bench(Scratch())
    let (ended, open, next) = (newID(), newID(), newID())
    _ = bench.commit([
      .reserve(reservation(ended), token: 1), .reserve(reservation(open), token: 2),
    ])
    let other = try LedgerWriter(path: bench.accounts.ledgerPath)
    try other.write([.settle(settlement(ended), token: 0)])
    #expect(
      bench.commit([
        .reserve(reservation(next), token: 3), .settle(settlement(ended, 1), token: 4),
        .settle(settlement(open, 2), token: 5),
      ]).values.allSatisfy { $0 })
    #expect(try rows(bench.reader()).sorted() == ["0 - - -", "1 2 1 0", "1 600 1 0"])
    #expect(bench.standing == .open)
  }

  @Test("A charge above its reservation is recorded, flagged and counted")
  func aboveReservation() throws {
    let bench = try Bench(Scratch())
    let id = newID()
    _ = bench.commit([.reserve(reservation(id), token: 1)])
    _ = bench.commit([.settle(settlement(id, 1001), token: 2)])
    #expect(try rows(bench.reader()) == ["1 1001 1 256"])
    #expect(bench.ledger.aboveReservationCount == 1)
  }

  @Test("A file that takes no writes refuses, heals by itself, and charges what it missed")
  func failure() throws {
    let bench = try Bench(Scratch())
    let (sent, refused, later) = (newID(), newID(), newID())
    #expect(bench.commit([.reserve(reservation(sent), token: 1)]) == [1: true])
    // Another connection holds the write lock: every commit fails after the busy time, as it does
    // when the disk is full.
    let blocker = try Database(path: bench.accounts.ledgerPath)
    try blocker.execute("BEGIN IMMEDIATE")
    #expect(bench.commit([.settle(settlement(sent), token: 2)]) == [2: false])
    #expect(bench.standing != .open)
    #expect(bench.commit([.reserve(reservation(refused), token: 3)]) == [3: false])
    #expect(bench.ask("POST", "/keys", [:]).errorCode == "ledger_unavailable")
    try blocker.execute("ROLLBACK")
    bench.turn(until: { bench.standing == .open })
    #expect(bench.commit([.reserve(reservation(later), token: 4)]) == [4: true])
    #expect(try rows(bench.reader()).sorted() == ["0 - - -", "3 1000 3 0"])
    #expect(bench.ask("GET", "/status").json["ledger"]?["state"] == "open")
  }

  @Test("The log stays bounded under load without a pause")
  func boundedLog() throws {
    let bench = try Bench(Scratch())
    var random = SeededRandom(seed: 9)
    for _ in 0..<150 {
      let ids = (0..<1000).map { _ in RequestID(UInt128.random(in: .min ... .max, using: &random)) }
      _ = bench.commit(
        ids.enumerated().map { .reserve(reservation($0.element), token: UInt64($0.offset)) })
      _ = bench.commit(
        ids.enumerated().map { .settle(settlement($0.element), token: UInt64($0.offset)) })
    }
    let log = bench.scratch.file("ledger.sqlite-wal")
    let written = try FileIO.read(log, bytesMax: 1 << 30).count
    // All of the file went through the log, most pages several times.
    #expect(try bench.reader().fileBytes() > Ledger.logPagesMax * 4096)
    #expect(written > Ledger.logPagesMax * 4000 && written < Ledger.logPagesMax * 5000)
  }

  @Test("A damaged file is not written any more, and nothing heals it")
  func condemned() throws {
    let bench = try Bench(Scratch())
    bench.ledger.condemn()
    bench.turn(until: { bench.standing == .failed(code: 11) })
    #expect(bench.commit([.reserve(reservation(newID()), token: 1)]) == [1: false])
    bench.turn(milliseconds: 2 * Ledger.healMillisecondsFirst)
    #expect(bench.standing == .failed(code: 11))
    #expect(try bench.reader().integer("SELECT count(*) FROM request") == 0)
  }

  @Test("A closed ledger has everything in its file")
  func close() throws {
    let bench = try Bench(Scratch())
    let id = newID()
    var outbox: [LedgerOperation] = [
      .reserve(reservation(id), token: 1), .settle(settlement(id), token: 2),
    ]
    bench.ledger.submit(&outbox)
    #expect(outbox.isEmpty)
    bench.close()
    #expect(try rows(bench.reader()) == ["1 600 1 0"])
  }
}

struct LedgerFileTests {
  private func open(_ scratch: Scratch) throws {
    _ = try Accounts(
      AccountsPlace(
        stateDirectory: scratch.path, credentialsDirectory: nil, limits: RequestLimits()),
      now: .now(), wall: .now())
  }

  @Test("A full disk refuses whole batches and leaves the file sound")
  func full() throws {
    let scratch = try Scratch()
    try open(scratch)
    let path = scratch.file(LedgerSchema.fileName)
    let database = try Database(path: path)
    let pages = try #require(try database.integer("PRAGMA page_count"))
    let writer = try LedgerWriter(path: path)
    try writer.database.execute("PRAGMA max_page_count = \(pages + 2)")
    var committed = 0
    do throws(StoreError) {
      for _ in 0..<100 {
        try writer.write((0..<50).map { .reserve(reservation(newID()), token: UInt64($0)) })
        committed += 50
      }
      Issue.record("the limit was never met")
    } catch { #expect(error.code == 13) }
    #expect(committed > 0)
    #expect(try Database(path: path).integer("SELECT count(*) FROM request") == Int64(committed))
    try Database(path: path).checkStructure()
  }

  @Test("A damaged ledger is refused by name and left as it is")
  func damaged() throws {
    let scratch = try Scratch()
    try scratch.write(String(repeating: "damaged ", count: 2000), to: LedgerSchema.fileName)
    let before = try FileIO.read(scratch.file(LedgerSchema.fileName), bytesMax: 1 << 20)
    #expect(throws: AccountsError.store(.damaged)) { try open(scratch) }
    #expect(try FileIO.read(scratch.file(LedgerSchema.fileName), bytesMax: 1 << 20) == before)
  }

  @Test("A ledger of a newer version is refused by name")
  func newer() throws {
    let scratch = try Scratch()
    try open(scratch)
    let known = LedgerSchema.schema.steps.count
    try Database(path: scratch.file(LedgerSchema.fileName))
      .execute("PRAGMA user_version = \(known + 1)")
    #expect(throws: AccountsError.store(.newerSchema(found: known + 1, known: known))) {
      try open(scratch)
    }
  }

  @Test("Another pepper is refused instead of making all keys unknown")
  func pepper() throws {
    let scratch = try Scratch()
    try open(scratch)
    try open(scratch)
    try FileIO.replace(
      scratch.file(Pepper.fileName), with: [UInt8](repeating: 1, count: Pepper.byteCount),
      mode: 0o600)
    #expect(throws: AccountsError.pepperMismatch) { try open(scratch) }
    try scratch.write("too short", to: Pepper.fileName)
    #expect(throws: AccountsError.system(SystemError(.malformed, 0))) { try open(scratch) }
  }

  @Test("A start that no retry heals says so; one that may succeed later does not")
  func exitCodes() {
    let final: [AccountsError] = [
      .store(.damaged), .store(.foreign), .store(.newerSchema(found: 2, known: 1)), .pepperMismatch,
      .system(SystemError(.malformed, 0)),
    ]
    #expect(final.allSatisfy { $0.exitCode == ExitCode.configuration })
    let passing: [AccountsError] = [
      .store(.failed(code: 13)), .system(SystemError(.open, 24)), .crypto(.unavailable),
    ]
    #expect(passing.allSatisfy { $0.exitCode == ExitCode.failed })
  }

  @Test("Prices are entered once, and nobody can change or delete one")
  func prices() throws {
    let scratch = try Scratch()
    try open(scratch)
    try open(scratch)
    let database = try Database(path: scratch.file(LedgerSchema.fileName))
    #expect(try database.integer("SELECT count(*) FROM price") == Int64(ShippedPrices.rows.count))
    #expect(try database.integer("SELECT count(*) FROM price_table") == 1)
    #expect(throws: StoreError.self) { try database.execute("UPDATE price SET input = 1") }
    #expect(throws: StoreError.self) { try database.execute("DELETE FROM price") }
  }

  @Test("A restart takes up the windows where they were")
  func windows() throws {
    let scratch = try Scratch()
    try open(scratch)
    let writer = try LedgerWriter(path: scratch.file(LedgerSchema.fileName))
    let now = WallTime.now()
    let ages: [Int64] = [100, 40, 30, 1]
    try writer.write(
      ages.map {
        .reserve(reservation(newID(at: WallTime(seconds: now.seconds - $0))), token: 0)
      })
    var limits = RequestLimits()
    limits.global = RequestWindow(requests: 4, seconds: 60)
    let accounts = try Accounts(
      AccountsPlace(stateDirectory: scratch.path, credentialsDirectory: nil, limits: limits),
      now: .now(), wall: now)
    let key = KeyRecord(KeyDetails(row: 9, id: "k", createdAt: now, source: .store))
    #expect(accounts.admission.admit(key, at: .now(), wall: now).remaining == 0)
    #expect(!accounts.admission.admit(key, at: .now(), wall: now).isAdmitted)
  }

  @Test(
    "A start under a clock that is wrong gives no budget back once the clock is right",
    arguments: [-400 * 86_400, -40 * 86_400, -86_400, 0, 1800])
  func budgetsUnderWrongClock(error: Int64) throws {
    let scratch = try Scratch()
    try open(scratch)
    let writer = try LedgerWriter(path: scratch.file(LedgerSchema.fileName))
    let now = try #require(WallTime(rfc3339: "2026-03-31T23:45:00Z"))
    try writer.write([.reserve(reservation(newID(at: now)), token: 0)])
    let accounts = try Accounts(
      AccountsPlace(
        stateDirectory: scratch.path, credentialsDirectory: nil, limits: RequestLimits()),
      now: .now(), wall: WallTime(seconds: now.seconds + error))
    accounts.admission.turn(to: now)
    let all = accounts.admission.global
    #expect(all.used(.day) > 0 && all.used(.day) == all.used(.month))
  }
}
