public import PMJSON

/// What a model costs. Integers: micro-euro per 1 000 000 tokens (so pico-euro per token), per
/// audio minute, or per 1 048 576 bytes; net of VAT. Nil where a class has no price.
public struct Tariff: Equatable, Sendable {
  public var input: Int64?
  public var output: Int64?
  /// Nil: cached tokens cost what fresh ones do.
  public var cached: Int64?
  /// Never beside `perMegabyte`.
  public var perMinute: Int64?
  public var perMegabyte: Int64?

  public init(
    input: Int64?, output: Int64?, cached: Int64?, perMinute: Int64?, perMegabyte: Int64?
  ) {
    (self.input, self.output, self.cached) = (input, output, cached)
    (self.perMinute, self.perMegabyte) = (perMinute, perMegabyte)
  }

  /// What one request used, in the classes that have prices.
  public struct Counts: Equatable, Sendable {
    /// Tokens.
    public var fresh, cached, output: Int64
    public var audioMilliseconds: Int64
    /// Bytes of the whole request body, for audio only.
    public var audioBytes: Int64

    public init(
      fresh: Int64, cached: Int64, output: Int64, audioMilliseconds: Int64, audioBytes: Int64
    ) {
      (self.fresh, self.cached, self.output) = (fresh, cached, output)
      (self.audioMilliseconds, self.audioBytes) = (audioMilliseconds, audioBytes)
    }

    /// Nothing that could cost anything.
    public var isNothing: Bool {
      self == Counts(fresh: 0, cached: 0, output: 0, audioMilliseconds: 0, audioBytes: 0)
    }
  }
}

/// What a usage costs.
public enum Cost: Equatable, Sendable {
  case nanoEuro(Int64)
  /// A class occurred that the tariff has no price for.
  case unpriced
  /// The sum does not fit into 64 bits; nothing was charged.
  case tooLarge
}

extension Tariff {
  // One common unit for exact sums. A token price is pico-euro, a minute price is taken by the
  // millisecond (1/60 nano-euro for each micro-euro), a megabyte price by the byte (125/131 072
  // nano-euro). The least common multiple of 1000, 60 and 131 072 is the unit's share.
  private static let unitsPerNanoEuro: Int128 = 49_152_000
  private static let unitsPerPicoEuro: Int128 = unitsPerNanoEuro / 1000
  private static let unitsPerMillisecond: Int128 = unitsPerNanoEuro / 60
  private static let unitsPerByte: Int128 = unitsPerNanoEuro / 131_072 * 125

  /// One exact sum, rounded up to a nano-euro once.
  public func cost(of counts: Counts) -> Cost {
    var sum = ExactSum()
    if counts.fresh > 0 {
      guard let input else { return .unpriced }
      sum.add(counts.fresh, times: input, times: Self.unitsPerPicoEuro)
    }
    if counts.cached > 0 {
      guard let price = cached ?? input else { return .unpriced }
      sum.add(counts.cached, times: price, times: Self.unitsPerPicoEuro)
    }
    if counts.output > 0 {
      guard let output else { return .unpriced }
      sum.add(counts.output, times: output, times: Self.unitsPerPicoEuro)
    }
    if counts.audioMilliseconds > 0 || counts.audioBytes > 0 {
      if let perMinute {
        sum.add(counts.audioMilliseconds, times: perMinute, times: Self.unitsPerMillisecond)
      } else if let perMegabyte {
        sum.add(counts.audioBytes, times: perMegabyte, times: Self.unitsPerByte)
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

// MARK: JSON

extension Tariff {
  /// The members by which reports and receipts tell prices.
  public var json: JSONObject {
    func price(_ value: Int64?) -> JSONValue { value.map { .integer($0) } ?? .null }
    return [
      "input": price(input), "output": price(output), "cached": price(cached),
      "per_minute": price(perMinute), "per_mb": price(perMegabyte),
    ]
  }

  /// Reads the members of `json` among others; nil if one is missing or no integer.
  public init?(_ object: JSONObject) {
    let names = ["input", "output", "cached", "per_minute", "per_mb"]
    let values = names.map { object[$0] }
    guard values.allSatisfy({ $0?.integer != nil || $0?.isNull == true }) else { return nil }
    self.init(
      input: values[0]?.integer, output: values[1]?.integer, cached: values[2]?.integer,
      perMinute: values[3]?.integer, perMegabyte: values[4]?.integer)
  }
}
