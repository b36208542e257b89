import PMCrypto
import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

/// A ledger with spans, rows behind the last of them, and an audit log.
private final class ChainedLedger {
  let scratch: Scratch
  let database: Database
  let heads: LedgerHeads
  let covered: Int64

  init(seed: UInt64 = 1, requests: Int = 1200) throws {
    scratch = try Scratch()
    let writer = try LedgerWriter(new: scratch)
    var ledger = RandomLedger(seed: seed)
    try ledger.write(requests, by: writer)
    for number: Int64 in 1...5 {
      let digest = Digest256([UInt8](repeating: UInt8(number), count: 32).span)
      let entry = AuditEntry(
        at: WallTime(seconds: number), actor: "administrator", uid: 7, action: "change",
        target: "k\(number)", reason: "naïve\n\"\u{8}", changes: "{\"a\":1}",
        before: number == 1 ? nil : digest, after: digest)
      try writer.write(ChangeSet(number: 1, changes: [.audit(entry)]))
    }
    heads = writer.heads
    database = try Database(path: scratch.file(LedgerSchema.fileName))
    covered = try database.integer("SELECT max(last) FROM span") ?? 0
  }

  /// Assignments that change one column each.
  func changes(of table: String) throws -> [String] {
    let columns = try database.prepare("SELECT name, type FROM pragma_table_info('\(table)')")
    var changes: [String] = []
    while try columns.step() {
      let name = columns.text(0)
      switch columns.text(1) {
      case "BLOB": changes.append("\(name) = randomblob(ifnull(length(\(name)), 32))")
      case "TEXT": changes.append("\(name) = ifnull(\(name), '') || 'x'")
      default: changes.append("\(name) = ifnull(\(name), 0) + 1000003")
      }
    }
    return changes
  }

  func damage(_ table: String, _ sql: String) throws {
    try database.execute("CREATE TEMP TABLE kept AS SELECT * FROM \(table); \(sql)")
  }

  func repair(_ table: String) throws {
    try database.execute(
      "DELETE FROM \(table); INSERT INTO \(table) SELECT * FROM kept; DROP TABLE kept")
  }

  func verify() throws -> LedgerVerification {
    try LedgerVerification(database, links: [heads.ledger], audit: [heads.audit])
  }
}

struct ChainTests {
  @Test("The text of a row has all its columns in order, ids as text, what is not known as null")
  func text() throws {
    let id = RequestID(UInt128(0x0190a5d2_7c3e_7abc_8def_0123456789ab))
    let row = EndedRow(reservation(id, nil), settlement(id, nil, reserved: nil), row: 9)
    var text = ByteBuffer()
    row.write(to: &text)
    #expect(
      text.text == """
        {"audio_bytes":0,"audio_milliseconds":0,"cached_tokens":10,"cost_nano_euro":null,\
        "first_byte_milliseconds":7,"flags":0,"fresh_tokens":20,\
        "id":"0190a5d2-7c3e-7abc-8def-0123456789ab","key":1,"model":1,"output_tokens":5,\
        "price":1,"price_table":1,"reserved_nano_euro":null,"reserved_tokens":null,"route":0,\
        "row":9,"state":1,"status":200,"total_milliseconds":70,"usage_source":1}
        """)
    let parsed = try JSONReader.read(text.text)
    #expect(parsed.canonicalText == text.text)
    let scratch = try Scratch()
    do { _ = try LedgerWriter(new: scratch) }
    let columns = try Database(path: scratch.file(LedgerSchema.fileName))
      .prepare("SELECT name FROM pragma_table_info('ended') ORDER BY name")
    var names: [String] = []
    while try columns.step() { names.append(columns.text(0)) }
    #expect(parsed.object?.members.map(\.name) == names)
  }

  @Test("The columns of the audit's text are those of its table, but for the link")
  func auditText() throws {
    let ledger = try ChainedLedger()
    let columns = try ledger.database.prepare(
      "SELECT name FROM pragma_table_info('audit') WHERE name <> 'head' ORDER BY name")
    var names: [String] = []
    while try columns.step() { names.append(columns.text(0)) }
    #expect(names == AuditChain.columns)
    let rows = try AuditChain.rows(of: ledger.database, from: 1)
    _ = try rows.step()
    #expect(
      String(decoding: AuditChain.text(rows), as: UTF8.self) == """
        {"action":"change","actor":"administrator",\
        "after":"0101010101010101010101010101010101010101010101010101010101010101",\
        "at":1000000,"before":null,"changes":"{\\"a\\":1}","reason":"naïve\\n\\"\\b","row":1,\
        "target":"k1","uid":7}
        """)
  }

  @Test("A chain that was left alone verifies, with every link that was kept on the way")
  func sound() throws {
    let ledger = try ChainedLedger()
    let found = try ledger.verify()
    #expect(found.ledger.fault == nil && found.ledger.walked == ledger.heads.ledger)
    #expect(found.audit.fault == nil && found.audit.walked == ledger.heads.audit)
    #expect(try LedgerHeads(ledger.database) == ledger.heads)
    let hash = try SHA256()
    var links: [ChainHead] = [ChainHead(rows: 0, head: found.origin)]
    for row: Int64 in [1, 2, ledger.covered, ledger.covered + 1, ledger.heads.ledger.rows] {
      let statement = try ledger.database.prepare("SELECT id FROM ended WHERE row = ?1")
      try statement.bind(1, row)
      _ = try statement.step()
      let id = RequestID(try #require(statement.bits(0)))
      let link = try #require(try ChainLink(of: id, in: ledger.database))
      #expect(link.index == row)
      hash.update(link.previous)
      #expect(hash.digest(of: link.text.span) == link.head)
      if row == 1 { #expect(link.previous == found.origin) }
      links.append(ChainHead(rows: row, head: link.head))
    }
    #expect(try LedgerVerification(ledger.database, links: links).ledger.fault == nil)
    #expect(try ChainLink(of: newID(), in: ledger.database) == nil)
    let other = ChainHead(rows: 5, head: found.origin)
    let fault = try LedgerVerification(ledger.database, links: [other]).ledger.fault
    #expect(fault == LedgerFault(what: .links, rows: 1...5))
  }

  @Test("A change of any column of any row is found, and where", arguments: ["ended", "audit"])
  func columns(table: String) throws {
    let ledger = try ChainedLedger(seed: 2)
    var random = SeededRandom(seed: 8)
    let count = try #require(try ledger.database.integer("SELECT count(*) FROM \(table)"))
    for change in try ledger.changes(of: table) {
      // One that a span covers, the last of all, and any.
      for row in [1, count, .random(in: 2..<count, using: &random)] {
        try ledger.damage(table, "UPDATE \(table) SET \(change) WHERE row = \(row)")
        let found = try ledger.verify()
        let isEnded = table == "ended"
        let fault = isEnded ? found.ledger.fault : found.audit.fault
        #expect(fault?.rows.contains(row) == true, "\(change) of \(row)")
        #expect((isEnded ? found.audit.fault : found.ledger.fault) == nil)
        try ledger.repair(table)
      }
    }
    #expect(try ledger.verify().ledger.fault == nil)
  }

  @Test("A change of what is kept beside the rows is found")
  func besideRows() throws {
    let ledger = try ChainedLedger(seed: 3, requests: 2200)
    for (table, row) in [
      ("span", "first = 1"), ("span", "first = 1025"),
      ("total", "cost_nano_euro = (SELECT max(cost_nano_euro) FROM total)"),
    ] {
      for change in try ledger.changes(of: table) {
        try ledger.damage(table, "UPDATE \(table) SET \(change) WHERE \(row)")
        #expect(try ledger.verify().ledger.fault != nil, "\(change)")
        try ledger.repair(table)
      }
      try ledger.damage(table, "DELETE FROM \(table) WHERE \(row)")
      #expect(try ledger.verify().ledger.fault != nil)
      try ledger.repair(table)
    }
    try ledger.database.execute(
      "UPDATE setting SET value = randomblob(32) WHERE name = 'ledger_id'")
    let found = try ledger.verify()
    #expect(found.ledger.fault != nil && found.audit.fault != nil)
  }

  @Test("A row that was taken away, put elsewhere or added is found")
  func movedRows() throws {
    let ledger = try ChainedLedger(seed: 4, requests: 2200)
    let (covered, last) = (ledger.covered, ledger.heads.ledger.rows)
    func expect(_ what: LedgerFault.What, at row: Int64, _ table: String, _ sql: String) throws {
      try ledger.damage(table, sql)
      let found = try ledger.verify()
      let fault = try #require(table == "audit" ? found.audit.fault : found.ledger.fault)
      #expect(fault.what == what && fault.rows.contains(row), "\(sql)")
      try ledger.repair(table)
    }
    for row in [1, 700, covered, covered + 3] {
      try expect(.rows, at: row, "ended", "DELETE FROM ended WHERE row = \(row)")
    }
    try expect(.end, at: last, "ended", "DELETE FROM ended WHERE row = \(last)")
    let swap = "SET row = -row WHERE row IN (5, 4); UPDATE ended SET row = 9 + row WHERE row < 0"
    try expect(.links, at: 5, "ended", "UPDATE ended \(swap)")
    let copy = "UPDATE added SET row = 0; INSERT INTO ended SELECT * FROM added; DROP TABLE added"
    try expect(
      .rows, at: 0, "ended",
      "CREATE TEMP TABLE added AS SELECT * FROM ended WHERE row = 9; \(copy)")
    let inner = "SELECT 5, 6, lowest, highest, head FROM span WHERE first = 1"
    try expect(.span, at: 5, "span", "INSERT INTO span \(inner)")
    try expect(
      .rows, at: 1, "audit",
      "INSERT INTO audit (row, at, actor, uid, action) VALUES (-1, 0, 'a', 0, 'x')")
    try expect(.rows, at: 2, "audit", "DELETE FROM audit WHERE row = 2")
    try expect(.end, at: 5, "audit", "DELETE FROM audit WHERE row = 5")
  }
}

struct WrittenChainTests {
  private func verify(_ bench: Bench, _ links: [ChainHead]) throws -> LedgerFault? {
    try LedgerVerification(try bench.reader(), links: links).ledger.fault
  }

  @Test("The writer's chain goes on over a refused batch, a failed commit, a start and a kill")
  func life() throws {
    let bench = try Bench(Scratch())
    var kept: [ChainHead] = []
    func keep(_ bench: Bench) throws {
      kept.append(try #require(bench.ledger.heads?.ledger))
      #expect(try verify(bench, kept) == nil)
    }
    func commit(_ bench: Bench, _ count: Int) {
      let ids = (0..<count).map { _ in newID() }
      _ = bench.commit(
        ids.flatMap { id -> [LedgerOperation] in
          [
            .reserve(reservation(id), token: UInt64.random(in: .min ... .max)),
            .settle(settlement(id), token: UInt64.random(in: .min ... .max)),
          ]
        })
    }
    commit(bench, 1000)
    try keep(bench)
    // The batch is undone, and with it 30 ends of which 6 would be in the next span.
    let (open, twice) = (newID(), newID())
    _ = bench.commit([.reserve(reservation(open), token: 1)])
    let refused = (0..<30).flatMap { number -> [LedgerOperation] in
      let id = newID()
      return [
        .reserve(reservation(id), token: UInt64(2 * number + 10)),
        .settle(settlement(id), token: UInt64(2 * number + 11)),
      ]
    }
    let failed = bench.commit(
      refused + [
        .reserve(reservation(twice), token: 2), .reserve(reservation(twice), token: 3),
      ])
    #expect(failed.values.allSatisfy { !$0 } && bench.standing == .open)
    try keep(bench)
    #expect(kept[0] == kept[1])
    // The disk refuses, and what was under way is unsettled once it takes writes again.
    let blocker = try Database(path: bench.accounts.ledgerPath)
    try blocker.execute("BEGIN IMMEDIATE")
    #expect(bench.commit([.settle(settlement(open), token: 4)]) == [4: false])
    try blocker.execute("ROLLBACK")
    bench.turn(until: { bench.standing == .open })
    try keep(bench)
    #expect(kept[2].rows == 1001)
    commit(bench, 1500)
    _ = bench.commit([.reserve(reservation(newID()), token: 5)])
    try keep(bench)
    // A kill now: the next start charges what is under way, and links it.
    let next = try Bench(bench.scratch.image())
    #expect(try verify(next, kept) == nil)
    commit(next, 600)
    try keep(next)
    #expect(try #require(kept.last).rows == 1001 + 1500 + 1 + 600)
    next.close()
    #expect(try verify(try Bench(next.scratch.image()), kept) == nil)
  }

  @Test("A row that is changed under a running ledger stops it", arguments: [false, true])
  func changedUnderneath(whileFailed: Bool) throws {
    let bench = try Bench(Scratch())
    let ids = (0..<3).map { _ in newID() }
    for (number, id) in ids.enumerated() {
      _ = bench.commit([
        .reserve(reservation(id), token: UInt64(number * 2)),
        .settle(settlement(id), token: UInt64(number * 2 + 1)),
      ])
    }
    let other = try Database(path: bench.accounts.ledgerPath)
    if whileFailed {
      try other.execute("BEGIN IMMEDIATE")
      #expect(bench.commit([.reserve(reservation(newID()), token: 8)]) == [8: false])
      try other.execute("ROLLBACK")
    }
    try other.execute("UPDATE ended SET cost_nano_euro = 1 WHERE row = 2")
    if !whileFailed {
      #expect(bench.commit([.reserve(reservation(newID()), token: 9)]) == [9: false])
    }
    bench.turn(until: { bench.standing == .failed(code: 11) })
    let answer = bench.ask("GET", "/ledger/verify").json
    #expect(answer["is_sound"] == false && answer["ledger"]?["fault"]?["what"] == "links")
  }

  @Test("An audit row that is taken away under a running ledger stops it")
  func auditTakenAway() throws {
    let bench = try Bench(Scratch())
    for _ in 0..<2 { #expect(bench.ask("POST", "/keys").status == 201) }
    let other = try Database(path: bench.accounts.ledgerPath)
    try other.execute("DELETE FROM audit WHERE row = 2")
    #expect(bench.ask("GET", "/ledger/verify").json["audit"]?["fault"]?["what"] == "end")
    #expect(bench.ask("POST", "/keys").status == 503)
    bench.turn(until: { bench.standing == .failed(code: 11) })
    #expect(try bench.reader().integer("SELECT count(*) FROM audit") == 1)
  }

  @Test("Both chains are walked on request, past a link that the caller kept")
  func request() throws {
    let bench = try Bench(Scratch())
    let id = newID()
    _ = bench.commit([.reserve(reservation(id), token: 1), .settle(settlement(id), token: 2)])
    _ = bench.ask("POST", "/keys", ["description": "n8n", "reason": "new"])
    let answer = bench.ask("GET", "/ledger/verify").json
    #expect(answer["is_sound"] == true && answer["ledger"]?["rows"] == 1)
    #expect(answer["audit"]?["rows"] == 1 && answer["audit"]?["fault"] == .null)
    let link = try #require(try ChainLink(of: id, in: bench.reader()))
    let kept = "/ledger/verify?row=1&head="
    #expect(bench.ask("GET", kept + link.head.hex).json["is_sound"] == true)
    let other = bench.ask("GET", kept + link.previous.hex).json
    #expect(other["is_sound"] == false && other["ledger"]?["fault"]?["first"] == 1)
    let later = bench.ask("GET", "/ledger/verify?row=7&head=\(link.head.hex)").json
    #expect(later["ledger"]?["fault"]?["what"] == "end")
    for query in ["row=1", "row=x&head=\(link.head.hex)", "row=1&head=12"] {
      #expect(bench.ask("GET", "/ledger/verify?\(query)").status == 422)
    }
  }
}
