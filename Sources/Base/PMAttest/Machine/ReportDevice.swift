/// What signs reports for a guest that owns VMPL 0. Calls may block for a minute and are strictly
/// one at a time.
public protocol ReportDevice: AnyObject {
  /// A report of 1184 bytes that carries these 64 bytes.
  func report(_ data: [UInt8]) throws(FailureToken) -> [UInt8]
  /// The same, with the certificate table of the host (untrusted bytes).
  func extendedReport(
    _ data: [UInt8]
  ) throws(FailureToken) -> (report: [UInt8], certificates: [UInt8])
  /// What the last call that failed said.
  var fault: DeviceFault? { get }
}

/// A TPM 2.0: one command, one answer.
public protocol TPMTransport: AnyObject {
  /// Sends a whole command and gives the whole answer.
  func exchange(_ command: [UInt8]) throws(FailureToken) -> [UInt8]
}

/// Numbers for the log, beside the token of a failure.
public enum DeviceFault: Equatable, Sendable {
  /// errno of the call, and both halves of what firmware and host answered.
  case call(number: Int32, firmware: UInt32, host: UInt32)
  /// The response code of a TPM (TPM 2.0 part 2, section 6.6).
  case tpm(code: UInt32)
}
