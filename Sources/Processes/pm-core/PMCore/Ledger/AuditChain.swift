import PMCrypto
import PMJSON
import PMStore

/// The chain of `audit`. It is short, so each of its rows has its own link.
enum AuditChain {
  /// The columns of a row's text, in the order of their names.
  static let columns = [
    "action", "actor", "after", "at", "before", "changes", "reason", "row", "target", "uid",
  ]

  /// The present end. Throws `.damaged` if the file does not have the row that was `known` to be
  /// the last.
  static func head(
    of database: Database, known: ChainHead? = nil
  ) throws(StoreError) -> ChainHead {
    if let known, known.rows > 0 {
      let row = try database.prepare("SELECT 1 FROM audit WHERE row = ?1 AND head = ?2")
      try row.bind(1, known.rows)
      try row.bind(2, blob: known.head.bytes)
      guard try row.step() else { throw .damaged }
    }
    let last = try database.prepare(
      "SELECT row, head FROM audit WHERE head IS NOT NULL ORDER BY row DESC LIMIT 1")
    guard try last.step() else {
      return ChainHead(rows: 0, head: try LedgerChain.origin(of: database))
    }
    guard let head = Digest256(last.blob(1).span) else { throw .damaged }
    return ChainHead(rows: last.integer(0), head: head)
  }

  /// Gives the rows behind the present end their links.
  static func extend(in database: Database) throws(StoreError) {
    let end = try head(of: database)
    let chain = try LedgerChain(from: end.head)
    let link = try database.prepare("UPDATE audit SET head = ?2 WHERE row = ?1")
    let rows = try rows(of: database, from: end.rows + 1)
    while try rows.step() {
      chain.append(text(rows))
      try link.bind(1, rows.integer(row))
      try link.bind(2, blob: chain.head.bytes)
      try link.run()
    }
  }

  /// All rows from one on: their columns, then the link.
  static func rows(of database: Database, from first: Int64) throws(StoreError) -> Statement {
    let rows = try database.prepare(
      "SELECT \(columns.joined(separator: ", ")), head FROM audit WHERE row >= ?1 ORDER BY row")
    try rows.bind(1, first)
    return rows
  }
  /// Where the number of a row and its link are in those.
  static let row: Int32 = 7
  static let link = Int32(columns.count)

  /// Canonical JSON of a row (RFC 8785): digests in hexadecimal, all else as it is.
  static func text(_ rows: Statement) -> [UInt8] {
    let members = columns.enumerated().map { (index, name) in
      let column = Int32(index)
      let value: JSONValue =
        switch name {
        case _ where rows.isNull(column): .null
        case "at", "row", "uid": .integer(rows.integer(column))
        case "after", "before": .string(Hex.text(rows.blob(column).span))
        default: .string(rows.text(column))
        }
      return JSONObject.Member(name, value)
    }
    return JSONValue.object(JSONObject(members)).utf8
  }
}
