import PMSystem

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

/// What a usage costs.
enum Cost: Equatable, Sendable {
  case nanoEuro(Int64)
  /// A class occurred that the row has no price for.
  case unpriced
  /// The sum does not fit into 64 bits; nothing was charged.
  case tooLarge
}

extension PriceRow {
  // One common unit for exact sums. A token price is pico-euro, a minute price is taken by the
  // millisecond (1/60 nano-euro for each micro-euro), a megabyte price by the byte (125/131 072
  // nano-euro). The least common multiple of 1000, 60 and 131 072 is the unit's share.
  private static let unitsPerNanoEuro: Int128 = 49_152_000
  private static let unitsPerPicoEuro: Int128 = unitsPerNanoEuro / 1000
  private static let unitsPerMillisecond: Int128 = unitsPerNanoEuro / 60
  private static let unitsPerByte: Int128 = unitsPerNanoEuro / 131_072 * 125

  /// One exact sum, rounded up to a nano-euro once.
  func cost(of usage: Usage) -> Cost {
    var sum = ExactSum()
    if usage.fresh > 0 {
      guard let input else { return .unpriced }
      sum.add(usage.fresh, times: input, times: Self.unitsPerPicoEuro)
    }
    if usage.cached > 0 {
      guard let price = cached ?? input else { return .unpriced }
      sum.add(usage.cached, times: price, times: Self.unitsPerPicoEuro)
    }
    if usage.output > 0 {
      guard let output else { return .unpriced }
      sum.add(usage.output, times: output, times: Self.unitsPerPicoEuro)
    }
    if usage.audioMilliseconds > 0 || usage.bytes > 0 {
      if let perMinute {
        sum.add(usage.audioMilliseconds, times: perMinute, times: Self.unitsPerMillisecond)
      } else if let perMegabyte {
        sum.add(usage.bytes, times: perMegabyte, times: Self.unitsPerByte)
      } else {
        return .unpriced
      }
    }
    guard let nanoEuro = sum.dividedRoundingUp(by: Self.unitsPerNanoEuro) else { return .tooLarge }
    return .nanoEuro(nanoEuro)
  }
}

/// A sum of products that remembers if it ever did not fit.
private struct ExactSum {
  private var total: Int128 = 0
  private var overflowed = false

  mutating func add(_ count: Int64, times price: Int64, times share: Int128) {
    // Two 64-bit factors always fit into 128 bits.
    let (units, first) = (Int128(count) * Int128(price)).multipliedReportingOverflow(by: share)
    let (sum, second) = total.addingReportingOverflow(units)
    total = sum
    if first || second { overflowed = true }
  }

  func dividedRoundingUp(by divisor: Int128) -> Int64? {
    if overflowed { return nil }
    let quotient = total / divisor
    return Int64(exactly: total % divisor > 0 ? quotient + 1 : quotient)
  }
}
