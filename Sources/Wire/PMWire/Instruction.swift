/// What pmctl tells a child over its `orders` socket: JSON lines such as `{"order":"reload"}`.
/// Nothing comes back on it; answers travel upward as notify messages. Asking a child to leave is
/// SIGTERM, not an instruction.
public enum Instruction: String, CaseIterable, Sendable {
  /// Edge: read certificate and key again. Core: read the imported key file again.
  case reload
  /// Core: send the vendor nothing new, finish what is in flight.
  case drainVendor = "drain-vendor"
  /// Core: the vendor is back.
  case resumeVendor = "resume-vendor"

  /// Longest line that a child must accept.
  public static let lineBytesMax = 256

  public var line: String { "{\"order\":\"\(rawValue)\"}\n" }

  /// Nil if the line is none of the above; the forms are exact, so no parser is needed.
  public init?(line: String) {
    guard let found = Self.allCases.first(where: { $0.line.dropLast() == line }) else { return nil }
    self = found
  }
}
