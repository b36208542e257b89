public import PMAttest

/// Answers like the device of a guest that owns VMPL 0.
public final class EmulatedReportDevice: ReportDevice {
  private let evidence: () throws -> SyntheticEvidence
  private let failing: () -> FailureToken?
  public var fault: DeviceFault? { nil }

  /// Both are asked at every call: which machine this is now, and whether it fails.
  public init(
    evidence: @escaping () throws -> SyntheticEvidence,
    failing: @escaping () -> FailureToken? = { nil }
  ) {
    (self.evidence, self.failing) = (evidence, failing)
  }

  public func report(_ data: [UInt8]) throws(FailureToken) -> [UInt8] {
    try answer { evidence in try evidence.report(data) }
  }

  public func extendedReport(
    _ data: [UInt8]
  ) throws(FailureToken) -> (report: [UInt8], certificates: [UInt8]) {
    try answer { evidence in (try evidence.report(data), evidence.certificateTable) }
  }

  private func answer<Value>(
    _ make: (SyntheticEvidence) throws -> Value
  ) throws(FailureToken) -> Value {
    if let token = failing() { throw token }
    do { return try make(evidence()) } catch { throw .deviceErrno }
  }
}
