internal import CSQLite

/// One connection to a database file, used by one thread at a time. Every commit of a writing
/// connection is on disk when it returns (write-ahead log, `synchronous=FULL`).
@safe public final class Database {
  public enum Access: Sendable { case readWrite, readOnly }

  /// How long a statement waits for another connection's lock. Readers never block a writer of a
  /// write-ahead log, so only a foreign tool is ever waited for.
  private static let busyMillisecondsMax: Int32 = 1000
  /// What the log has on disk from its first checkpoint on, written full of zeros once: a commit
  /// that only overwrites needs no new blocks and no entry in the journal of the file system, which
  /// halves its cost. A log that grew beyond it is cut back.
  private static let logBytesKept: Int64 = 8 << 20
  private static let zeros = [UInt8](repeating: 0, count: 1 << 16)

  let handle: OpaquePointer
  /// Pages in the log after the last commit, of 4096 bytes each; 0 once they were moved.
  public private(set) var logPages = 0

  /// Opens the file; a writing connection creates it if it is missing.
  public init(path: String, _ access: Access = .readWrite) throws(StoreError) {
    let mode =
      access == .readWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY
    // One thread uses it at a time, so the library need not lock.
    let flags = mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    var opened: OpaquePointer?
    let code = unsafe sqlite3_open_v2(path, &opened, flags, nil)
    // Only without memory is there no handle; a failed open has one, which deinit closes.
    guard let handle = unsafe opened else { throw .failed(code: code) }
    unsafe self.handle = handle
    try check(code)
    unsafe sqlite3_busy_timeout(handle, Self.busyMillisecondsMax)
    try execute("PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON")
    if access == .readWrite {
      // The owner of the connection checkpoints when nothing else is to do.
      try execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0")
      try execute("PRAGMA journal_size_limit=\(Self.logBytesKept)")
      watchLog()
    }
  }

  deinit {
    // Statements hold a reference to this object, so none is left.
    unsafe sqlite3_close_v2(handle)
  }

  private func watchLog() {
    // The hook is called within calls on this object only, so the object outlives it.
    let context = unsafe Unmanaged.passUnretained(self).toOpaque()
    unsafe sqlite3_wal_hook(
      handle,
      { context, _, _, pages in
        guard let context = unsafe context else { return SQLITE_OK }
        unsafe Unmanaged<Database>.fromOpaque(context).takeUnretainedValue().logPages = Int(pages)
        return SQLITE_OK
      }, context)
  }

  /// Runs statements that give no rows.
  public func execute(_ sql: String) throws(StoreError) {
    try check(unsafe sqlite3_exec(handle, sql, nil, nil, nil))
  }

  /// Compiles one statement, to be run many times.
  public func prepare(_ sql: String) throws(StoreError) -> Statement {
    try Statement(sql, self)
  }

  /// The first column of the first row; nil if there is none or it is null.
  public func integer(_ sql: String) throws(StoreError) -> Int64? {
    let statement = try prepare(sql)
    guard try statement.step() else { return nil }
    return statement.isNull(0) ? nil : statement.integer(0)
  }

  /// Rows that the last statement inserted, changed or deleted.
  public var changedRows: Int { Int(unsafe sqlite3_changes64(handle)) }
  /// The row id of the last insert.
  public var lastRow: Int64 { unsafe sqlite3_last_insert_rowid(handle) }

  /// Runs `body` in one transaction: all of it is on disk when this returns, or nothing of it.
  public func transaction<Value>(
    _ body: () throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    try execute("BEGIN IMMEDIATE")
    do {
      let value = try body()
      try execute("COMMIT")
      return value
    } catch {
      rollBack()
      throw error
    }
  }

  /// Ends a transaction without effect, if there is one.
  public func rollBack() {
    // Some errors end the transaction by themselves (sqlite.org/lang_transaction.html).
    if unsafe sqlite3_get_autocommit(handle) == 0 { try? execute("ROLLBACK") }
  }

  /// Moves what is committed from the log into the file, as far as no reader needs it; never waits.
  public func checkpoint() throws(StoreError) {
    try check(
      unsafe sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil))
    logPages = 0
    lengthenLog()
  }

  /// Writes zeros behind the end of the log, where nothing of it is and nothing is read from. If
  /// that fails the log grows by its commits, as it does without.
  private func lengthenLog() {
    var file: UnsafeMutablePointer<sqlite3_file>?
    // The library's own open file of the log, good while the connection is; only this thread is in
    // the library with it.
    let code = unsafe sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file)
    guard code == SQLITE_OK, let file = unsafe file, let calls = unsafe file.pointee.pMethods,
      let size = unsafe calls.pointee.xFileSize, let write = unsafe calls.pointee.xWrite,
      let sync = unsafe calls.pointee.xSync
    else { return }
    var end: Int64 = 0
    guard unsafe size(file, &end) == SQLITE_OK, end < Self.logBytesKept else { return }
    while end < Self.logBytesKept {
      let count = min(Int64(Self.zeros.count), Self.logBytesKept - end)
      guard unsafe write(file, Self.zeros, Int32(count), end) == SQLITE_OK else { return }
      end += count
    }
    _ = unsafe sync(file, SQLITE_SYNC_NORMAL)
  }

  /// Looks through the whole structure; throws `.damaged` if it does not hold. Takes time in
  /// proportion to the file.
  public func checkStructure() throws(StoreError) {
    let statement = try prepare("PRAGMA quick_check(1)")
    guard try statement.step(), statement.text(0) == "ok" else { throw .damaged }
  }

  /// Bytes of the file, without its log.
  public func fileBytes() throws(StoreError) -> Int64 {
    let pages = try integer("PRAGMA page_count") ?? 0
    return pages * (try integer("PRAGMA page_size") ?? 0)
  }

  func check(_ code: Int32) throws(StoreError) {
    switch code & 0xFF {
    case SQLITE_OK, SQLITE_ROW, SQLITE_DONE: return
    case SQLITE_CORRUPT, SQLITE_NOTADB: throw .damaged
    default: throw .failed(code: code)
    }
  }
}
