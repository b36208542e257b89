/// Why the store refused. Codes are SQLite's extended result codes (sqlite.org/rescode.html).
public enum StoreError: Error, Equatable, Sendable {
  /// A call failed: disk full, input or output error, a constraint, and the like.
  case failed(code: Int32)
  /// The file is not a database, or its structure does not hold. It is left as it is.
  case damaged
  /// The file belongs to a program other than this one.
  case foreign
  /// The file was written by a newer version of this program.
  case newerSchema(found: Int, known: Int)

  /// A value broke a rule of its table; the file itself is sound.
  public var isConstraint: Bool { code & 0xFF == 19 }  // SQLITE_CONSTRAINT
  /// For a rule that tables cannot express.
  public static let brokenRule = StoreError.failed(code: 19)

  /// Another connection holds a lock.
  public var isBusy: Bool { code & 0xFF == 5 }  // SQLITE_BUSY

  /// Another connection has written since this one began to read.
  public var isStale: Bool { code == 517 }  // SQLITE_BUSY_SNAPSHOT

  /// SQLite's result code, where there is one.
  public var code: Int32 {
    switch self {
    case .failed(let code): code
    case .damaged: 11  // SQLITE_CORRUPT
    case .foreign, .newerSchema: 0
    }
  }
}
