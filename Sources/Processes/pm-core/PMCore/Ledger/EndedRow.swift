import PMStore
import PMSystem
import PMWire

/// A row of `ended`, as the file has it. A request that has ended is written, summed up and linked
/// into the chain from this one value.
struct EndedRow {
  /// All columns but the id. The text of a row has every one of them, so that a table with one more
  /// needs a chain of its own.
  enum Column: Int, CaseIterable {
    case row, key, model, route, state, reservedNanoEuro, price, priceTable, freshTokens
    case cachedTokens, outputTokens, audioMilliseconds, audioBytes, costNanoEuro, usageSource, flags
    case status, firstByteMilliseconds, totalMilliseconds, reservedTokens
  }
  private static let names = [
    "row", "key", "model", "route", "state", "reserved_nano_euro", "price", "price_table",
    "fresh_tokens", "cached_tokens", "output_tokens", "audio_milliseconds", "audio_bytes",
    "cost_nano_euro", "usage_source", "flags", "status", "first_byte_milliseconds",
    "total_milliseconds", "reserved_tokens",
  ]
  /// What `init(_:)` reads.
  static let columns = (names + ["id"]).joined(separator: ", ")
  static let insertion = """
    INSERT INTO ended (\(columns))
    VALUES (\((1...names.count + 1).map { "?\($0)" }.joined(separator: ", ")))
    """

  let id: RequestID
  private var values: InlineArray<20, Int64?>

  subscript(_ column: Column) -> Int64? {
    get { values[column.rawValue] }
    set { values[column.rawValue] = newValue }
  }

  /// What becomes of a reservation.
  init(_ reserved: ReservationRow, _ end: SettlementRow, row: Int64) {
    id = reserved.id
    values = InlineArray(repeating: nil)
    self[.row] = row
    self[.key] = reserved.key
    self[.model] = Int64(reserved.model.row)
    self[.route] = Int64(reserved.route.rawValue)
    self[.state] = Int64(end.state.rawValue)
    self[.reservedNanoEuro] = reserved.reservedNanoEuro
    self[.price] = Int64(reserved.price)
    self[.priceTable] = Int64(reserved.priceTable)
    self[.freshTokens] = end.usage.fresh
    self[.cachedTokens] = end.usage.cached
    self[.outputTokens] = end.usage.output
    self[.audioMilliseconds] = end.usage.audioMilliseconds
    self[.audioBytes] = end.usage.bytes
    self[.costNanoEuro] = end.costNanoEuro
    self[.usageSource] = Int64(end.usage.source.rawValue)
    var flags = end.usage.flags
    if end.isAboveReservation { flags.insert(.aboveReservation) }
    self[.flags] = Int64(flags.rawValue)
    self[.status] = Int64(end.status)
    self[.firstByteMilliseconds] = end.firstByteMilliseconds.map { Int64($0) }
    self[.totalMilliseconds] = Int64(end.totalMilliseconds)
    self[.reservedTokens] = reserved.reservedTokens
  }

  /// Reads `columns` of the present row; nil if its id is none.
  init?(_ rows: Statement) {
    guard let bits = rows.bits(Int32(Self.names.count)) else { return nil }
    id = RequestID(bits)
    values = InlineArray { rows.integerOrNil(Int32($0)) }
  }

  /// Its number, which is its place in the chain.
  var number: Int64 { self[.row] ?? 0 }

  /// Rows of the file by their numbers.
  static func rows(
    of database: Database, from first: Int64, to last: Int64 = .max
  ) throws(StoreError) -> EndedRows {
    let rows = try database.prepare(
      "SELECT \(columns) FROM ended WHERE row BETWEEN ?1 AND ?2 ORDER BY row")
    try rows.bind(1, first)
    try rows.bind(2, last)
    return EndedRows(rows)
  }

  /// Writes the row by the statement of `insertion`.
  func insert(by statement: Statement) throws(StoreError) {
    // Indexed without it, the array would be copied for each value.
    let values = values.span
    for index in values.indices { try statement.bind(Int32(index + 1), values[index]) }
    try statement.bind(Int32(values.count + 1), blob: id.bits)
    try statement.run()
  }

  // MARK: Text

  /// What stands before the values of the members, in the order of their names, in one piece.
  private static let heads: [UInt8] = members.enumerated().flatMap { offset, member in
    Array("\(offset == 0 ? "{" : ",")\"\(member.name)\":".utf8)
  }
  /// Where the head of each member ends in that, and where its value is; nil for the id.
  private static let places: [(end: Int, index: Int?)] = {
    var end = 0
    return members.map { member in
      end += member.name.utf8.count + 4
      return (end, member.index)
    }
  }()
  private static let members: [(name: String, index: Int?)] =
    (names.enumerated().map { ($0.element, $0.offset) } + [("id", nil)]).sorted { $0.0 < $1.0 }

  /// Appends the canonical JSON of the row (RFC 8785): all columns by their names, the id as text.
  func write(to text: inout ByteBuffer) {
    let (heads, values) = (Self.heads.span, values.span)
    var start = 0
    for place in Self.places {
      text.append(heads.extracting(start..<place.end))
      start = place.end
      guard let index = place.index else {
        text.append(byte: UInt8(ascii: "\""))
        id.write(to: &text)
        text.append(byte: UInt8(ascii: "\""))
        continue
      }
      if let value = values[index] { text.append(decimal: Int(value)) } else { text.append("null") }
    }
    text.append(byte: UInt8(ascii: "}"))
  }
}

/// The rows that a statement gives, which selects `EndedRow.columns`.
struct EndedRows {
  private let statement: Statement
  init(_ statement: Statement) { self.statement = statement }

  /// Nil after the last; throws `.damaged` if a row has no id.
  func next() throws(StoreError) -> EndedRow? {
    guard try statement.step() else { return nil }
    guard let row = EndedRow(statement) else { throw .damaged }
    return row
  }
}
