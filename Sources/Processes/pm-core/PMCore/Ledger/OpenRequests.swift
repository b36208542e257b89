import PMStore
import PMSystem
import PMWire

/// The requests that are under way, and their rows of `reservation`. Rows are used again, so that
/// the table stays as small as it can.
struct OpenRequests {
  private var requests: [UInt128: (slot: Int64, row: ReservationRow)] = [:]
  private var freeSlots: [Int64] = []
  private var lastSlot: Int64 = 0

  init() {}

  var count: Int { requests.count }

  /// Reads them from the file.
  init(_ database: Database) throws(StoreError) {
    let rows = try database.prepare(
      """
      SELECT slot, id, key, model, route, reserved_nano_euro, price, price_table, reserved_tokens
      FROM reservation ORDER BY slot
      """)
    while try rows.step() {
      let slot = rows.integer(0)
      guard let bits = rows.bits(1), slot > lastSlot, slot - lastSlot <= CoreBounds.callsMax,
        let route = Route(rawValue: UInt8(truncatingIfNeeded: rows.integer(4)))
      else { throw .damaged }
      freeSlots += lastSlot + 1..<slot
      lastSlot = slot
      requests[bits] = (
        slot,
        ReservationRow(
          id: RequestID(bits), key: rows.integer(2),
          model: ModelIndex(row: Int32(clamping: rows.integer(3))), route: route,
          reservedNanoEuro: rows.integerOrNil(5), reservedTokens: rows.integerOrNil(8),
          price: Int32(clamping: rows.integer(6)), priceTable: Int32(clamping: rows.integer(7)))
      )
    }
  }

  /// Gives the request a row of the table. An id that is under way already breaks a rule.
  mutating func add(_ row: ReservationRow) throws(StoreError) -> Int64 {
    let slot = freeSlots.popLast() ?? lastSlot + 1
    lastSlot = max(lastSlot, slot)
    guard requests.updateValue((slot, row), forKey: row.id.bits) == nil else {
      throw .brokenRule
    }
    return slot
  }

  /// Nil if it is not under way.
  mutating func remove(_ id: UInt128) -> (slot: Int64, row: ReservationRow)? {
    guard let request = requests.removeValue(forKey: id) else { return nil }
    freeSlots.append(request.slot)
    return request
  }
}
