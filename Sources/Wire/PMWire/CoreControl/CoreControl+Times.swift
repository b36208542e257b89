public import PMJSON
public import PMSystem

extension WallTime {
  /// 9999-12-31T23:59:59Z; later times have no text form.
  private static let secondsMax: Int64 = 253_402_300_799

  /// Reads unix seconds, with or without a fraction, or RFC 3339 text (a date alone is 00:00 UTC).
  /// Nil if it is neither, before 1970 or after the year 9999.
  public init?(json: JSONValue) {
    switch json {
    case .integer(let seconds):
      guard (0...Self.secondsMax).contains(seconds) else { return nil }
      self.init(seconds: seconds)
    case .decimal(let text): self.init(unixSeconds: text)
    case .string(let text):
      guard let time = WallTime(rfc3339: text) else { return nil }
      guard (0...Self.secondsMax).contains(time.seconds) else { return nil }
      self = time
    default: return nil
    }
  }

  /// Digits, a point, digits; those past the sixth are dropped.
  private init?(unixSeconds text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let seconds = Int64(parts[0]), (0...Self.secondsMax).contains(seconds),
      parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    let digits = String(parts[1].prefix(6))
    let padded = digits + String(repeating: "0", count: 6 - digits.utf8.count)
    guard let fraction = Int64(padded) else { return nil }
    self.init(microseconds: seconds * 1_000_000 + fraction)
  }

  /// Unix seconds with at least one digit of fraction, as the predecessor wrote them.
  public var unixSeconds: JSONValue {
    let fraction = microseconds - seconds * 1_000_000
    var digits = String(String(fraction + 1_000_000).dropFirst())
    while digits.utf8.count > 1, digits.hasSuffix("0") { digits.removeLast() }
    return .decimal("\(seconds).\(digits)")
  }
}

/// Nano-euro as text.
public enum Euro {
  public static let nano: Int64 = 1_000_000_000

  /// Reads digits, with a point and up to nine more or without; nil for anything else, and for more
  /// than fits.
  static func nanoEuro(_ text: String) -> Int64? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count),
      parts.allSatisfy({ part in
        !part.isEmpty && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
      }), let euro = Int64(parts[0])
    else { return nil }
    let decimals = parts.count == 2 ? parts[1] : ""
    guard decimals.utf8.count <= 9,
      let rest = Int64(decimals + String(repeating: "0", count: 9 - decimals.utf8.count))
    else { return nil }
    let (whole, isTooMuch) = euro.multipliedReportingOverflow(by: nano)
    let (sum, isOverflow) = whole.addingReportingOverflow(rest)
    return isTooMuch || isOverflow ? nil : sum
  }

  /// Exact, with at least two decimals: `0.006`, `12.50`.
  public static func text(nanoEuro: Int64) -> String {
    let magnitude = nanoEuro.magnitude
    var digits = String(String(magnitude % UInt64(nano) + UInt64(nano)).dropFirst())
    while digits.utf8.count > 2, digits.hasSuffix("0") { digits.removeLast() }
    return "\(nanoEuro < 0 ? "-" : "")\(magnitude / UInt64(nano)).\(digits)"
  }
}
