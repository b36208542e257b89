/// What the platform has switched on (PLATFORM_INFO, AMD 56860). Bits that this verifier does not
/// know are not refused: genuine Turin parts set some.
public struct PlatformFlags: OptionSet, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Memory was checked for aliases since the last reset (the answer to BadRAM).
  public static let aliasCheckComplete = PlatformFlags(rawValue: 1 << 5)
  /// Writes of devices cannot reach memory of a guest (the answer to CVE-2023-20585).
  public static let deviceWriteSafe = PlatformFlags(rawValue: 1 << 6)
}
