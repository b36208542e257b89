/// What the guest's owner allows the host (POLICY, AMD 56860, section "Guest Policy").
public struct GuestPolicy: Equatable, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// A migration agent may move the guest.
  public var allowsMigration: Bool { rawValue >> 18 & 1 == 1 }
  /// The host may read and change the guest's memory.
  public var allowsDebugging: Bool { rawValue >> 19 & 1 == 1 }

  /// Bit 17 is reserved and must be one.
  var hasReservedOne: Bool { rawValue >> 17 & 1 == 1 }
  /// Bits 63 to 26 are reserved and must be zero.
  var hasReservedZeros: Bool { rawValue >> 26 == 0 }
}
