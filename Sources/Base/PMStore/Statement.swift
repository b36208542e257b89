internal import CSQLite

/// A compiled statement. Parameters are numbered from 1, columns from 0; after a row was read or a
/// change made, `reset` readies it for the next run. Bound values stay until they are bound anew.
@safe public final class Statement {
  private let handle: OpaquePointer
  private let database: Database

  init(_ sql: String, _ database: Database) throws(StoreError) {
    var compiled: OpaquePointer?
    // Persistent: the library may spend memory on it that outlives one run.
    let code = unsafe sqlite3_prepare_v3(
      database.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &compiled, nil)
    try database.check(code)
    // Nil without an error means a text without a statement.
    guard let handle = unsafe compiled else { throw .failed(code: SQLITE_MISUSE) }
    unsafe self.handle = handle
    self.database = database
  }

  deinit { unsafe sqlite3_finalize(handle) }

  public func bind(_ parameter: Int32, _ value: Int64) throws(StoreError) {
    try database.check(unsafe sqlite3_bind_int64(handle, parameter, value))
  }

  public func bind(_ parameter: Int32, _ value: Int64?) throws(StoreError) {
    if let value { try bind(parameter, value) } else { try bindNull(parameter) }
  }

  public func bindNull(_ parameter: Int32) throws(StoreError) {
    try database.check(unsafe sqlite3_bind_null(handle, parameter))
  }

  public func bind(_ parameter: Int32, text: String?) throws(StoreError) {
    guard var text else { return try bindNull(parameter) }
    let code = text.withUTF8 { bytes in
      unsafe sqlite3_bind_text64(
        handle, parameter, UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self),
        UInt64(bytes.count), Self.copied, UInt8(SQLITE_UTF8))
    }
    try database.check(code)
  }

  public func bind(_ parameter: Int32, blob: [UInt8]) throws(StoreError) {
    let code = unsafe blob.withUnsafeBytes {
      unsafe sqlite3_bind_blob64(
        handle, parameter, $0.baseAddress, UInt64($0.count), Self.copied)
    }
    try database.check(code)
  }

  public func bind(_ parameter: Int32, blob: [UInt8]?) throws(StoreError) {
    if let blob { try bind(parameter, blob: blob) } else { try bindNull(parameter) }
  }

  /// Binds 16 bytes, most significant first, so that they sort like the number.
  public func bind(_ parameter: Int32, blob bits: UInt128) throws(StoreError) {
    let code = unsafe withUnsafeBytes(of: bits.bigEndian) {
      unsafe sqlite3_bind_blob64(
        handle, parameter, $0.baseAddress, UInt64($0.count), Self.copied)
    }
    try database.check(code)
  }

  // SQLITE_TRANSIENT is a cast that Swift does not import: the library copies what is bound.
  private static var copied: sqlite3_destructor_type? {
    unsafe unsafeBitCast(-1, to: sqlite3_destructor_type?.self)
  }

  /// Goes to the next row; false if there is none, or the statement gives none.
  public func step() throws(StoreError) -> Bool {
    let code = unsafe sqlite3_step(handle)
    if code == SQLITE_ROW { return true }
    if code == SQLITE_DONE { return false }
    unsafe sqlite3_reset(handle)
    try database.check(code)
    return false
  }

  /// Runs a statement that gives no rows, and readies it for the next run.
  public func run() throws(StoreError) {
    _ = try step()
    reset()
  }

  /// Readies the statement for the next run.
  public func reset() { unsafe sqlite3_reset(handle) }

  public func isNull(_ column: Int32) -> Bool {
    unsafe sqlite3_column_type(handle, column) == SQLITE_NULL
  }
  public func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }
  public func integerOrNil(_ column: Int32) -> Int64? { isNull(column) ? nil : integer(column) }

  public func text(_ column: Int32) -> String { String(decoding: blob(column), as: UTF8.self) }
  public func textOrNil(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

  /// The bytes of a text or blob; empty if it is null.
  public func blob(_ column: Int32) -> [UInt8] {
    // The pointer is good until the next step, and the bytes are copied here.
    guard let base = unsafe sqlite3_column_blob(handle, column) else { return [] }
    let count = Int(unsafe sqlite3_column_bytes(handle, column))
    return unsafe Array(UnsafeRawBufferPointer(start: base, count: count))
  }

  /// A blob of 16 bytes as a number, most significant byte first; nil for any other length.
  public func bits(_ column: Int32) -> UInt128? {
    guard let base = unsafe sqlite3_column_blob(handle, column),
      unsafe sqlite3_column_bytes(handle, column) == 16
    else { return nil }
    return UInt128(bigEndian: unsafe base.loadUnaligned(as: UInt128.self))
  }
}
