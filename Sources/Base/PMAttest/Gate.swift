/// The checks before a public port is opened, in their order; the first failure is the verdict.
public struct Gate: Sendable {
  private let platform: Platform?
  private let records: @Sendable () -> [String]
  private let deviceFault: @Sendable (Platform) -> FailureToken?

  /// The gate of this machine. Nil if the configuration does not name a platform.
  public init(platform: Platform?) {
    self.init(
      platform: platform, records: KernelLogDevice.records, deviceFault: GuestDevice.fault)
  }

  init(
    platform: Platform?, records: @escaping @Sendable () -> [String],
    deviceFault: @escaping @Sendable (Platform) -> FailureToken?
  ) {
    (self.platform, self.records, self.deviceFault) = (platform, records, deviceFault)
  }

  /// Why the gate stays shut. There is no other answer as long as no report is verified: the log
  /// and a device node are guards against a wrong machine, not evidence.
  public func judge() -> FailureToken {
    guard let platform else { return .configPlatform }
    if let fault = KernelLog(records: records()).fault(for: platform) { return fault }
    if let fault = deviceFault(platform) { return fault }
    return .appraiseFailed
  }
}
