import PMSystem
import PMWire

/// A price of one model from one date on. Integers: micro-euro per 1 000 000 tokens (so pico-euro
/// per token), per audio minute, or per 1 048 576 bytes; net of VAT. Rows never change: a new price
/// is a new row.
struct PriceRow: Equatable, Sendable {
  /// How sure the price is.
  enum Standing: UInt8, CaseIterable, Sendable {
    /// The predecessor's published list.
    case predecessor
    /// Somebody else's reading; to be confirmed with the vendor.
    case unconfirmed
    case confirmed
    /// Set here; it outranks every other row while it is valid.
    case `operator`

    var word: String {
      switch self {
      case .predecessor: "predecessor"
      case .unconfirmed: "unconfirmed"
      case .confirmed: "confirmed"
      case .operator: "operator"
      }
    }
  }

  /// Number of the row in the ledger; charges name it.
  var row: Int32 = 0
  var model: String
  var validFrom: WallTime
  /// Nil: until a newer row takes over.
  var validTo: WallTime? = nil
  var input: Int64? = nil
  var output: Int64? = nil
  /// Nil: cached tokens cost what fresh ones do.
  var cached: Int64? = nil
  /// Never beside `perMegabyte`.
  var perMinute: Int64? = nil
  var perMegabyte: Int64? = nil
  var standing: Standing
  var source: String

  func isValid(at time: WallTime) -> Bool {
    guard validFrom <= time else { return false }
    return validTo.map { time < $0 } ?? true
  }
}

extension PriceRow {
  var tariff: Tariff {
    Tariff(
      input: input, output: output, cached: cached, perMinute: perMinute, perMegabyte: perMegabyte)
  }

  func cost(of usage: Usage) -> Cost { tariff.cost(of: usage.counts) }
}

extension Usage {
  var counts: Tariff.Counts {
    Tariff.Counts(
      fresh: fresh, cached: cached, output: output, audioMilliseconds: audioMilliseconds,
      audioBytes: bytes)
  }
}
