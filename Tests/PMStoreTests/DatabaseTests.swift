import PMSystem
import Scratch
import Testing

@testable import PMStore

private let schema = Schema(
  applicationID: 0x7E57,
  steps: [.sql("CREATE TABLE item (row INTEGER PRIMARY KEY, value BLOB) STRICT")])
private let newerSchema = Schema(
  applicationID: 0x7E57, steps: schema.steps + [.sql("ALTER TABLE item ADD COLUMN name TEXT")])

private func open(_ scratch: Scratch, _ schema: Schema = schema) throws -> Database {
  let database = try Database(path: scratch.file("db"))
  try database.migrate(to: schema, backupPath: scratch.file("backup"))
  return database
}

struct MigrationTests {
  @Test("A new file gets all steps and no backup; opening it again changes nothing")
  func fresh() throws {
    let scratch = try Scratch()
    let database = try open(scratch, newerSchema)
    #expect(try database.integer("PRAGMA user_version") == 2)
    try open(scratch, newerSchema).checkStructure()
    #expect(!scratch.names.contains("backup"))
  }

  @Test("An older file is backed up and brought forward, with what it holds")
  func forward() throws {
    let scratch = try Scratch()
    try open(scratch).execute("INSERT INTO item VALUES (7, x'01')")
    let database = try open(scratch, newerSchema)
    #expect(try database.integer("SELECT row FROM item WHERE name IS NULL") == 7)
    let backup = try Database(path: scratch.file("backup"), .readOnly)
    #expect(try backup.integer("PRAGMA user_version") == 1)
    #expect(try backup.integer("SELECT row FROM item") == 7)
  }

  @Test("A step of code sees what the steps before it made, and is undone with them")
  func code() throws {
    let scratch = try Scratch()
    try open(scratch).execute("INSERT INTO item VALUES (7, x'01')")
    let steps =
      newerSchema.steps + [
        .code { (database) throws(StoreError) in
          try database.execute("UPDATE item SET name = 'seven' WHERE row = 7")
        }
      ]
    let database = try Database(path: scratch.file("db"))
    let broken = Schema(applicationID: 0x7E57, steps: steps + [.sql("NOT SQL")])
    #expect(throws: StoreError.self) {
      try database.migrate(to: broken, backupPath: scratch.file("first"))
    }
    #expect(try database.integer("PRAGMA user_version") == 1)
    try database.migrate(
      to: Schema(applicationID: 0x7E57, steps: steps), backupPath: scratch.file("second"))
    #expect(try database.integer("PRAGMA user_version") == 3)
    #expect(try database.integer("SELECT row FROM item WHERE name = 'seven'") == 7)
  }

  @Test("A newer file is refused by name and stays as it is")
  func newer() throws {
    let scratch = try Scratch()
    do { _ = try open(scratch, newerSchema) }
    let before = try FileIO.read(scratch.file("db"), bytesMax: 1 << 20)
    #expect(throws: StoreError.newerSchema(found: 2, known: 1)) { _ = try open(scratch) }
    #expect(try FileIO.read(scratch.file("db"), bytesMax: 1 << 20) == before)
  }

  @Test("A file of another program is refused")
  func foreign() throws {
    let scratch = try Scratch()
    try Database(path: scratch.file("db")).execute("CREATE TABLE other (x)")
    #expect(throws: StoreError.foreign) { _ = try open(scratch) }
  }

  @Test("A step that fails leaves the file at the version it had")
  func failing() throws {
    let scratch = try Scratch()
    do { _ = try open(scratch) }
    let broken = Schema(
      applicationID: 0x7E57, steps: schema.steps + [.sql("CREATE TABLE next (x)"), .sql("NOT SQL")])
    #expect(throws: StoreError.self) { _ = try open(scratch, broken) }
    let database = try open(scratch)
    #expect(try database.integer("PRAGMA user_version") == 1)
    #expect(try database.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'next'") == 0)
  }
}

struct DamageTests {
  @Test("What is no database is reported as damaged and left alone")
  func noDatabase() throws {
    let scratch = try Scratch()
    let text = [UInt8](repeating: 0x41, count: 8192)
    try FileIO.replace(scratch.file("db"), with: text, mode: 0o600)
    #expect(throws: StoreError.damaged) { _ = try open(scratch) }
    #expect(try FileIO.read(scratch.file("db"), bytesMax: 1 << 20) == text)
  }

  @Test("A page that was overwritten is found by the check")
  func overwritten() throws {
    let scratch = try Scratch()
    do {
      let database = try open(scratch)
      let insert = try database.prepare("INSERT INTO item (value) VALUES (zeroblob(3000))")
      try database.transaction { () throws(StoreError) in for _ in 0..<50 { try insert.run() } }
    }
    var bytes = try FileIO.read(scratch.file("db"), bytesMax: 1 << 24)
    for index in 4096..<8192 { bytes[index] = 0x5A }
    try FileIO.replace(scratch.file("db"), with: bytes, mode: 0o600)
    let database = try Database(path: scratch.file("db"))
    #expect(throws: StoreError.damaged) { try database.checkStructure() }
  }
}

struct TransactionTests {
  @Test("What is committed survives the death of the process; what is not, does not")
  func crash() throws {
    let scratch = try Scratch()
    let database = try open(scratch)
    try database.transaction { () throws(StoreError) in
      try database.execute("INSERT INTO item VALUES (1, NULL)")
    }
    try database.execute("BEGIN")
    try database.execute("INSERT INTO item VALUES (2, NULL)")
    // What a dead process leaves is the file and its log, as they are now.
    try scratch.copy("db", to: "copy")
    try scratch.copy("db-wal", to: "copy-wal")
    let survivor = try Database(path: scratch.file("copy"))
    #expect(try survivor.integer("SELECT count(*) FROM item") == 1)
    try survivor.checkStructure()
  }

  @Test("A transaction that fails leaves nothing, and the connection goes on")
  func rollBack() throws {
    let scratch = try Scratch()
    let database = try open(scratch)
    #expect(throws: StoreError.self) {
      try database.transaction { () throws(StoreError) in
        try database.execute("INSERT INTO item VALUES (1, NULL)")
        try database.execute("INSERT INTO item VALUES (1, NULL)")
      }
    }
    #expect(try database.integer("SELECT count(*) FROM item") == 0)
    try database.execute("INSERT INTO item VALUES (2, NULL)")
    #expect(database.lastRow == 2)
  }

  @Test("A broken rule is told from a broken disk")
  func constraint() throws {
    let scratch = try Scratch()
    let database = try open(scratch)
    try database.execute("INSERT INTO item VALUES (1, NULL)")
    do {
      try database.execute("INSERT INTO item VALUES (1, NULL)")
      Issue.record("the same row twice")
    } catch { #expect(error.isConstraint) }
    try database.execute("PRAGMA max_page_count = 3")
    do {
      try database.execute("INSERT INTO item VALUES (2, zeroblob(100000))")
      Issue.record("more than the disk takes")
    } catch { #expect(!error.isConstraint && error.code == 13) }
  }

  @Test("A reader sees whole commits while the writer goes on, and cannot write")
  func reader() throws {
    let scratch = try Scratch()
    let database = try open(scratch)
    let reader = try Database(path: scratch.file("db"), .readOnly)
    try database.execute("BEGIN IMMEDIATE")
    try database.execute("INSERT INTO item VALUES (1, NULL)")
    #expect(try reader.integer("SELECT count(*) FROM item") == 0)
    try database.execute("COMMIT")
    #expect(try reader.integer("SELECT count(*) FROM item") == 1)
    #expect(throws: StoreError.self) { try reader.execute("DELETE FROM item") }
  }

  @Test("A checkpoint moves the log into the file")
  func checkpoint() throws {
    let scratch = try Scratch()
    let database = try open(scratch)
    try database.execute("INSERT INTO item VALUES (1, zeroblob(50000))")
    let before = try FileIO.read(scratch.file("db"), bytesMax: 1 << 24).count
    let log = try FileIO.read(scratch.file("db-wal"), bytesMax: 1 << 24).count
    // A frame of the log is a page and 24 bytes; the log has a head of 32 (sqlite.org/fileformat2).
    #expect(database.logPages == (log - 32) / (4096 + 24) && database.logPages > 12)
    try database.checkpoint()
    #expect(database.logPages == 0)
    #expect(try FileIO.read(scratch.file("db"), bytesMax: 1 << 24).count > before + 40_000)
  }

  @Test("After a checkpoint the log has its full size, and what it holds survives a crash")
  func fullLog() throws {
    let scratch = try Scratch()
    let database = try open(scratch)
    for row in 1...40 {
      try database.execute("INSERT INTO item VALUES (\(row), zeroblob(5000))")
      if row.isMultiple(of: 10) { try database.checkpoint() }
      try scratch.copy("db", to: "copy")
      try scratch.copy("db-wal", to: "copy-wal")
      let survivor = try Database(path: scratch.file("copy"))
      #expect(try survivor.integer("SELECT count(*) FROM item") == Int64(row))
      try survivor.checkStructure()
      if row >= 10 {
        #expect(try FileIO.read(scratch.file("db-wal"), bytesMax: 1 << 24).count == 8 << 20)
      }
    }
  }
}

struct StatementTests {
  @Test("Values come back as they went in")
  func values() throws {
    let scratch = try Scratch()
    let database = try Database(path: scratch.file("db"))
    try database.execute("CREATE TABLE t (a ANY, b ANY, c ANY, d ANY, e ANY) STRICT")
    let insert = try database.prepare("INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5)")
    try insert.bind(1, Int64.min)
    try insert.bind(2, text: "Zürich\u{0}")
    try insert.bind(3, blob: [0, 255])
    try insert.bind(4, nil as Int64?)
    try insert.bind(5, blob: UInt128.max - 1)
    try insert.run()
    let row = try database.prepare("SELECT * FROM t")
    #expect(try row.step())
    #expect(row.integer(0) == .min)
    #expect(row.text(1) == "Zürich\u{0}")
    #expect(row.blob(2) == [0, 255])
    #expect(row.isNull(3) && row.integerOrNil(3) == nil && row.textOrNil(3) == nil)
    #expect(row.bits(4) == UInt128.max - 1)
    #expect(row.bits(2) == nil)
    #expect(try !row.step())
  }

  @Test("Numbers of 128 bits sort as blobs")
  func order() throws {
    let scratch = try Scratch()
    let database = try Database(path: scratch.file("db"))
    try database.execute("CREATE TABLE t (id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID")
    let insert = try database.prepare("INSERT INTO t VALUES (?1)")
    let numbers: [UInt128] = [1 << 127, 0, 255, 256, 1 << 64, .max]
    for number in numbers {
      try insert.bind(1, blob: number)
      try insert.run()
    }
    let rows = try database.prepare("SELECT id FROM t ORDER BY id")
    var read: [UInt128] = []
    while try rows.step() { read.append(try #require(rows.bits(0))) }
    #expect(read == numbers.sorted())
  }

  @Test("What is no statement is refused")
  func refused() throws {
    let scratch = try Scratch()
    let database = try Database(path: scratch.file("db"))
    #expect(throws: StoreError.self) { _ = try database.prepare("") }
    #expect(throws: StoreError.self) { _ = try database.prepare("SELECT * FROM nothing") }
    #expect(throws: StoreError.self) { _ = try Database(path: "\(scratch.path)/none/db") }
  }
}
