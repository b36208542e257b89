/// The version of the security processor's firmware.
public struct FirmwareVersion: Comparable, Sendable {
  public let major: UInt8
  public let minor: UInt8
  public let build: UInt8

  public init(major: UInt8, minor: UInt8, build: UInt8) {
    (self.major, self.minor, self.build) = (major, minor, build)
  }

  /// `1.55.49`
  public var text: String { "\(major).\(minor).\(build)" }

  public static func < (a: FirmwareVersion, b: FirmwareVersion) -> Bool {
    (a.major, a.minor, a.build) < (b.major, b.minor, b.build)
  }
}
