import CLinux
import Glibc
import PMSystem

/// `/dev/sev-guest` made in user space (CUSE), so that the kernel itself carries the calls: it
/// copies buffers, keeps sizes and gives errno as it does for the real driver. Needs root and
/// `cuse.ko`, so it is for a machine of its own (Tests/PMAttestTests/Machine/run-in-vm).
///
/// Method: an ioctl of a device in user space names memory of its caller. The server answers the
/// first request by asking for the argument, the next by asking for what the argument points to,
/// and so on, until all is there (FUSE_IOCTL_RETRY). Formats: include/uapi/linux/fuse.h.
public final class GuestDeviceEmulation: Sendable {
  /// What one call gives.
  public struct Answer: Sendable {
    /// 0 or the errno.
    public var number: Int32 = 0
    public var firmware: UInt32 = 0
    public var host: UInt32 = 0
    /// 4000 bytes.
    public var response = [UInt8](repeating: 0, count: 4000)
    public var certificates: [UInt8] = []
    /// The size that the host wants for certificates, instead of the caller's.
    public var wantedBytes: UInt32?
    public init() {}
  }

  private let answer: @Sendable (_ isExtended: Bool, _ data: [UInt8]) -> Answer

  /// Makes the device, and serves it on a thread of its own for the rest of this process.
  public init(
    answer: @escaping @Sendable (_ isExtended: Bool, _ data: [UInt8]) -> Answer
  ) throws {
    self.answer = answer
    guard let channel = OwnedDescriptor(result: unsafe open("/dev/cuse", O_RDWR | O_CLOEXEC)) else {
      throw EmulationError.program
    }
    let number = channel.surrender()
    try startThread { self.serve(number) }
    let deadline = Instant.now().adding(seconds: 5)
    while unsafe access("/dev/sev-guest", F_OK) != 0 {
      guard Instant.now() < deadline else { throw EmulationError.program }
      usleep(10_000)
    }
  }

  private enum Code {
    static let open: UInt32 = 14
    static let release: UInt32 = 18
    static let interrupt: UInt32 = 36
    static let ioctl: UInt32 = 39
    static let makeDevice: UInt32 = 4096
  }
  private static let headerBytes = 40

  private func serve(_ channel: Int32) {
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe read(channel, $0.baseAddress, $0.count)
      }
      if count < 0, pm_errno() == EINTR { continue }
      guard count >= Self.headerBytes else { return }
      let request = Array(buffer[0..<count])
      guard let reply = reply(to: request) else { continue }
      let message =
        little(UInt32(16 + reply.body.count)) + little(reply.error)
        + request[8..<16] + reply.body
      _ = unsafe write(channel, message, message.count)
    }
  }

  private func reply(to request: [UInt8]) -> (error: Int32, body: [UInt8])? {
    let body = Array(request[Self.headerBytes...])
    switch number(request, 4) {
    case Code.makeDevice:
      // The version of the kernel, ioctls of any form, 128 KiB at a time, any device number.
      let fields: [UInt32] = [number(body, 0), number(body, 4), 0, 1, 1 << 17, 1 << 17, 0, 0]
      let spare = [UInt8](repeating: 0, count: 40)
      return (0, fields.flatMap(little) + spare + Array("DEVNAME=sev-guest\0".utf8))
    case Code.open: return (0, [UInt8](repeating: 0, count: 16))
    case Code.release: return (0, [])
    case Code.interrupt: return nil
    case Code.ioctl: return (0, ioctl(body))
    default: return (-ENOSYS, [])
    }
  }

  // MARK: One ioctl

  private struct Piece {
    var address: UInt64
    var count: Int
  }

  private func ioctl(_ body: [UInt8]) -> [UInt8] {
    let code = number(body, 12)
    guard code == 0xC020_5300 || code == 0xC020_5302 else { return result(-ENOTTY, []) }
    let isExtended = code == 0xC020_5302
    let inBytes = Int(number(body, 24))
    let outBytes = Int(number(body, 28))
    let held = Array(body[32...])
    let argument = Piece(address: address(body, 16), count: 32)
    guard inBytes >= 32, held.count >= inBytes else { return retry([argument], [argument]) }
    let request = Piece(address: address(held, 8), count: isExtended ? 112 : 96)
    let response = Piece(address: address(held, 16), count: 4000)
    let out = [argument, request, response]
    guard inBytes >= 32 + request.count else { return retry([argument, request], out) }
    let asked = Array(held[32..<32 + request.count])
    var places = out
    if isExtended {
      places.append(Piece(address: address(asked, 96), count: Int(number(asked, 104))))
    }
    let needed = places.reduce(0) { $0 + $1.count }
    guard outBytes >= needed else { return retry([argument, request], places) }

    let answer = answer(isExtended, Array(asked[0..<64]))
    var written = Array(held[0..<24]) + little(answer.firmware) + little(answer.host) + asked
    if let wanted = answer.wantedBytes {
      written.replaceSubrange(32 + 104..<32 + 108, with: little(wanted))
    }
    let rest = needed - 32 - request.count - 4000
    written += answer.response + answer.certificates.prefix(rest)
    written += [UInt8](repeating: 0, count: needed - written.count)
    return result(-answer.number, written)
  }

  private func result(_ value: Int32, _ bytes: [UInt8]) -> [UInt8] {
    little(value) + little(UInt32(0)) + little(UInt32(0)) + little(UInt32(0)) + bytes
  }

  /// Asks the kernel to call again with this memory of the caller.
  private func retry(_ from: [Piece], _ to: [Piece]) -> [UInt8] {
    let again: UInt32 = 1 << 2
    let head =
      little(Int32(0)) + little(again) + little(UInt32(from.count))
      + little(UInt32(to.count))
    return head + (from + to).flatMap { little($0.address) + little(UInt64($0.count)) }
  }

  private func little<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
    stride(from: 0, to: Number.bitWidth, by: 8).map { UInt8(truncatingIfNeeded: value >> $0) }
  }
  private func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
  private func address(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
    UInt64(number(bytes, offset + 4)) << 32 | UInt64(number(bytes, offset))
  }
}
