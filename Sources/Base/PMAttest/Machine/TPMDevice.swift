internal import CLinux
internal import Glibc
internal import PMSystem

/// The TPM of this machine through the kernel's resource manager, kept open.
final class TPMDevice: TPMTransport {
  private let device: GuestDevice.Node
  /// More than signals could explain.
  private static let interruptionsMax = 16

  init() throws(FailureToken) { device = try GuestDevice.openTPM() }

  /// One write is one command, one read is one answer (drivers/char/tpm/tpm-dev-common.c).
  func exchange(_ command: [UInt8]) throws(FailureToken) -> [UInt8] {
    let number = device.descriptor.number
    let written = Self.untilDone {
      unsafe command.withUnsafeBytes { unsafe write(number, $0.baseAddress, $0.count) }
    }
    guard written == command.count else { throw .tpmIO }
    var answer = [UInt8](repeating: 0, count: TPMCommand.bytesMax)
    // The kernel writes at most the length of the buffer.
    let count = Self.untilDone {
      unsafe answer.withUnsafeMutableBytes { unsafe read(number, $0.baseAddress, $0.count) }
    }
    guard count > 0 else { throw .tpmIO }
    return Array(answer[0..<count])
  }

  private static func untilDone(_ call: () -> Int) -> Int {
    for _ in 0..<interruptionsMax {
      let result = call()
      if result >= 0 || pm_errno() != EINTR { return result }
    }
    return -1
  }
}
