import PMSystem
import PMWire

/// What is written before a request goes to the vendor.
struct ReservationRow: Sendable {
  var id: RequestID
  /// `KeyRecord.row`.
  var key: Int64
  /// The model that the asked name means (`PriceTable.model`).
  var model: ModelIndex
  var route: Route
  /// The most that the request can cost; nil if it is unpriced.
  var reservedNanoEuro: Int64?
  /// The most tokens that the request can use, as its limits count it; nil if none does.
  var reservedTokens: Int64?
  /// `PriceRow.row`; 0 if it is unpriced.
  var price: Int32
  /// `PriceTable.table`.
  var priceTable: Int32

  init(
    id: RequestID, key: Int64, model: ModelIndex, route: Route, reservedNanoEuro: Int64?,
    reservedTokens: Int64? = nil, price: Int32, priceTable: Int32
  ) {
    self.id = id
    self.key = key
    self.model = model
    self.route = route
    self.reservedNanoEuro = reservedNanoEuro
    self.reservedTokens = reservedTokens
    self.price = price
    self.priceTable = priceTable
  }
}

/// What a request has come to.
enum RequestState: UInt8, CaseIterable, Sendable {
  /// Under way, or ended by a crash that was not looked at yet.
  case reserved
  case settled
  /// Nothing reached the vendor; nothing is charged.
  case released
  /// The end is not known; the whole reservation is charged.
  case unsettled

  var word: String {
    switch self {
    case .reserved: "reserved"
    case .settled: "settled"
    case .released: "released"
    case .unsettled: "unsettled"
    }
  }
}

/// What is written when a request has ended. A second one for the same request changes nothing.
struct SettlementRow: Sendable {
  var id: RequestID
  var state: RequestState = .settled
  var usage: Usage
  /// Nil if it is unpriced.
  var costNanoEuro: Int64?
  /// As in the reservation, to notice a charge above it.
  var reservedNanoEuro: Int64?
  var isAboveReservation: Bool {
    guard let costNanoEuro, let reservedNanoEuro else { return false }
    return costNanoEuro > reservedNanoEuro
  }
  /// HTTP status that the client got, or would have got.
  var status: UInt16
  /// From the arrival of the request to the first byte of the answer; nil if there was none.
  var firstByteMilliseconds: Int32?
  var totalMilliseconds: Int32

  init(
    id: RequestID, state: RequestState = .settled, usage: Usage, costNanoEuro: Int64?,
    reservedNanoEuro: Int64?, status: UInt16, firstByteMilliseconds: Int32?,
    totalMilliseconds: Int32
  ) {
    self.id = id
    self.state = state
    self.usage = usage
    self.costNanoEuro = costNanoEuro
    self.reservedNanoEuro = reservedNanoEuro
    self.status = status
    self.firstByteMilliseconds = firstByteMilliseconds
    self.totalMilliseconds = totalMilliseconds
  }
}

/// One line of the ledger on its way to disk. All of fixed size: nothing is allocated for it.
enum LedgerOperation: Sendable {
  case reserve(ReservationRow, token: UInt64)
  case settle(SettlementRow, token: UInt64)
  /// No completion.
  case use(KeyUse)
}

/// The end of an operation: on disk, or not done at all.
struct LedgerCompletion: Equatable, Sendable {
  let token: UInt64
  let failed: Bool
}
