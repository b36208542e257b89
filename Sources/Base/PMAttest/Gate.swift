/// The checks before a public port is opened, in their order; the first failure is the verdict.
public struct Gate: Sendable {
  private let platform: Platform?
  private let machine: Machine

  /// Nil if the configuration does not name a platform.
  public init(platform: Platform?, machine: Machine) {
    (self.platform, self.machine) = (platform, machine)
  }

  /// Why the gate stays shut. There is no other answer as long as no report is verified: the log
  /// and a device node are guards against a wrong machine, not evidence.
  public func judge() -> FailureToken {
    guard let platform else { return .configPlatform }
    do {
      _ = try machine.kernelLine(for: platform)
      _ = try machine.checkDevice(platform)
    } catch { return error }
    return .appraiseFailed
  }
}
