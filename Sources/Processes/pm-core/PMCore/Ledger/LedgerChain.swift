import PMCrypto
import PMStore
import PMSystem

/// The rows of a table as a chain: each link is the SHA-256 of the one before it and of the text of
/// a row, and the first follows the random name of the ledger. Who kept a link learns from it
/// whether a row before it was changed since, deleted, or put elsewhere.
final class LedgerChain {
  private(set) var head: Digest256
  private let hash: SHA256
  /// Used again for each row.
  private var text = ByteBuffer()

  init(from head: Digest256) throws(StoreError) {
    self.head = head
    do throws(CryptoError) { hash = try SHA256() } catch { throw .failed(code: 0) }
  }

  /// Adds the link of a row.
  func append(_ row: EndedRow) {
    text.clear()
    row.write(to: &text)
    hash.update(head)
    head = hash.digest(of: text.span)
  }

  /// Adds the link of a row with that text.
  func append(_ text: [UInt8]) {
    hash.update(head)
    head = hash.digest(of: text.span)
  }

  /// The name of the ledger, where both of its chains begin.
  static func origin(of database: Database) throws(StoreError) -> Digest256 {
    let row = try database.prepare("SELECT value FROM setting WHERE name = ?1")
    try row.bind(1, text: LedgerMark.ledgerID.rawValue)
    guard try row.step(), let origin = Digest256(row.blob(0).span) else { throw .damaged }
    return origin
  }
}

/// How far a chain is known: so many rows, and the link of the last of them.
struct ChainHead: Equatable, Sendable {
  var rows: Int64
  var head: Digest256
}

extension ChainHead {
  /// The end of the last span that has only rows before that one.
  static func covered(
    in database: Database, before row: Int64
  ) throws(StoreError) -> ChainHead {
    let span = try database.prepare(
      "SELECT last, head FROM span WHERE last < ?1 ORDER BY first DESC LIMIT 1")
    try span.bind(1, row)
    guard try span.step() else {
      return ChainHead(rows: 0, head: try LedgerChain.origin(of: database))
    }
    guard let head = Digest256(span.blob(1).span) else { throw .damaged }
    return ChainHead(rows: span.integer(0), head: head)
  }
}

/// The ends of both chains.
struct LedgerHeads: Equatable, Sendable {
  /// Of `ended`.
  var ledger: ChainHead
  var audit: ChainHead
}

extension LedgerHeads {
  /// Reads them from the file.
  init(_ database: Database) throws(StoreError) {
    ledger = try EndedSpan(database).chainHead
    audit = try AuditChain.head(of: database)
  }
}

/// Where a request that has ended is in the chain: what proves its row to somebody who keeps it.
struct ChainLink: Sendable {
  /// The number of the row; 1 is the first.
  var index: Int64
  var previous: Digest256
  var head: Digest256
  /// Canonical JSON of the row.
  var text: [UInt8]
}

extension ChainLink {
  /// Nil if no request of that id has ended.
  init?(of id: RequestID, in database: Database) throws(StoreError) {
    let place = try database.prepare("SELECT row FROM \(LedgerSchema.endedRanges) WHERE id = ?1")
    try place.bind(1, blob: id.bits)
    try place.bind(2, blob: id.bits + 1)
    guard try place.step() else { return nil }
    index = place.integer(0)
    let covered = try ChainHead.covered(in: database, before: index)
    let chain = try LedgerChain(from: covered.head)
    var before = chain.head
    var last = ByteBuffer()
    let rows = try EndedRow.rows(of: database, from: covered.rows + 1, to: index)
    while let row = try rows.next() {
      before = chain.head
      chain.append(row)
      if row.number == index { row.write(to: &last) }
    }
    (previous, head, text) = (before, chain.head, last.bytes)
  }
}
