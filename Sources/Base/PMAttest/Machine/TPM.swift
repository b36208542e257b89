/// Runs commands on a TPM and repeats those that it put off.
final class TPM {
  private let transport: any TPMTransport
  private let pause: (_ milliseconds: UInt64) -> Void

  /// How often a command is repeated, and how far apart: enough for the TPM to test itself.
  static let retriesMax = 10
  static let retryPauseMilliseconds: UInt64 = 50

  /// TPM_RC_RETRY, TPM_RC_YIELDED, TPM_RC_TESTING.
  private static let retryCodes: Set<UInt32> = [0x922, 0x908, 0x90A]
  /// The first or the second handle names nothing.
  static let undefinedCodes: Set<UInt32> = [0x18B, 0x28B]
  /// TPM_RC_NV_DEFINED.
  static let definedCode: UInt32 = 0x14C

  /// The last response code that was not success.
  private(set) var code: UInt32?

  init(_ transport: any TPMTransport, pause: @escaping (_ milliseconds: UInt64) -> Void) {
    self.transport = transport
    self.pause = pause
  }

  /// The parameters of the answer; any response code but success fails.
  func run(_ command: TPMCommand) throws(FailureToken) -> [UInt8] {
    switch try answer(to: command) {
    case .done(let parameters): return parameters
    case .code(let code): throw Self.undefinedCodes.contains(code) ? .tpmObject : .tpmRC
    }
  }

  /// The answer to a command that may fail for good reason.
  func answer(to command: TPMCommand) throws(FailureToken) -> TPMAnswer {
    for retry in 0...Self.retriesMax {
      if retry > 0 { pause(Self.retryPauseMilliseconds) }
      let answer = try TPMAnswer(transport.exchange(command.bytes), to: command)
      guard case .code(let code) = answer else { return answer }
      self.code = code
      if !Self.retryCodes.contains(code) { return answer }
    }
    throw .tpmBusy
  }
}
