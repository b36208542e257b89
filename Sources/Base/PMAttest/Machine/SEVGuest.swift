internal import CLinux
internal import Glibc
internal import PMSystem

/// Reports from `/dev/sev-guest` (include/uapi/linux/sev-guest.h of the kernel).
///
/// Method: every call gets fresh buffers of zeros, VMPL 0 and nothing else. What the driver returns
/// with success is still compared with what was asked. Errors repeat, wait or end as the table of
/// `remedy` says; a failed call may cost the guest its message key until reboot, so all is bounded.
@safe final class SEVGuest: ReportDevice {
  /// One ioctl: its number and the argument of 32 bytes; gives 0 or the errno.
  typealias Call = (_ number: UInt, _ argument: UnsafeMutableRawPointer) -> Int32

  // Type 0x53 with an argument of 32 bytes; the macros do not reach Swift.
  static let getReport: UInt = 0xC020_5300
  static let getExtendedReport: UInt = 0xC020_5302

  /// What the driver accepts at most (SEV_FW_BLOB_MAX_SIZE); multiples of a page.
  static let certificateBytesMax = 0x4000
  static let pageBytes = 4096
  /// A host that throttles is asked this often, this far apart.
  static let busyTriesMax = 5
  static let busyPauseMilliseconds: UInt64 = 2000
  /// EINTR and EAGAIN; more of them in a row than signals could explain.
  static let repeatsMax = 16

  static let dataBytes = 64

  private let call: Call
  private let pause: (_ milliseconds: UInt64) -> Void
  private(set) var fault: DeviceFault?

  init(call: @escaping Call, pause: @escaping (_ milliseconds: UInt64) -> Void) {
    unsafe self.call = call
    self.pause = pause
  }

  /// The device of this machine, kept open.
  convenience init(pause: @escaping (_ milliseconds: UInt64) -> Void) throws(FailureToken) {
    let device = try GuestDevice.openGuest()
    unsafe self.init(
      call: { number, argument in
        unsafe pm_ioctl(device.descriptor.number, number, argument) == 0 ? 0 : pm_errno()
      }, pause: pause)
  }

  func report(_ data: [UInt8]) throws(FailureToken) -> [UInt8] {
    try ask(data, certificateBytes: nil).report
  }

  func extendedReport(
    _ data: [UInt8]
  ) throws(FailureToken) -> (report: [UInt8], certificates: [UInt8]) {
    try ask(data, certificateBytes: Self.certificateBytesMax)
  }

  // MARK: One report

  private func ask(
    _ data: [UInt8], certificateBytes: Int?
  ) throws(FailureToken) -> (report: [UInt8], certificates: [UInt8]) {
    precondition(data.count == Self.dataBytes, "report data has a fixed length")
    var certificateBytes = certificateBytes
    var (tries, repeats, hasGrown) = (0, 0, false)
    while true {
      let exchange = unsafe Exchange(data, certificateBytes: certificateBytes, call: call)
      guard exchange.number != 0 else { return try exchange.checked(for: data) }
      fault = exchange.fault
      switch exchange.remedy {
      case .again:
        repeats += 1
        if repeats > Self.repeatsMax { throw .deviceBusy }
      case .wait:
        tries += 1
        if tries == Self.busyTriesMax { throw .deviceBusy }
        pause(Self.busyPauseMilliseconds)
      case .grow(let wanted):
        let pages = (wanted + Self.pageBytes - 1) / Self.pageBytes
        let bytes = pages * Self.pageBytes
        guard certificateBytes != nil, !hasGrown, (1...Self.certificateBytesMax).contains(bytes)
        else { throw .deviceLength }
        (certificateBytes, hasGrown) = (bytes, true)
      case .end(let token): throw token
      }
    }
  }

  /// What an error asks for.
  enum Remedy: Equatable {
    case again, wait
    /// The host wants to give this many bytes of certificates.
    case grow(Int)
    case end(FailureToken)
  }

  /// One call in memory of its own, all zeros before: argument, request, response and certificates
  /// lie behind each other.
  private struct Exchange {
    /// 0 or the errno.
    let number: Int32
    private let memory: [UInt8]
    private let isExtended: Bool

    private static let argumentAt = 0
    private static let requestAt = argumentAt + 32
    private static let responseAt = requestAt + 112
    private static let reportAt = responseAt + 32
    private static let certificatesAt = responseAt + 4000

    // Fields of the argument and of the extended request.
    private static let requestPointerAt = argumentAt + 8
    private static let responsePointerAt = argumentAt + 16
    private static let firmwareAt = argumentAt + 24
    private static let hostAt = argumentAt + 28
    private static let certificatesPointerAt = requestAt + 96
    private static let certificateBytesAt = requestAt + 104

    init(_ data: [UInt8], certificateBytes: Int?, call: Call) {
      var memory = [UInt8](repeating: 0, count: Self.certificatesAt + (certificateBytes ?? 0))
      memory[Self.argumentAt] = 1  // the version of the message
      // VMPL 0 is the zero behind the data.
      memory.replaceSubrange(Self.requestAt..<Self.requestAt + data.count, with: data)
      // The memory outlives the call, and the kernel writes at most the sizes that it was told or
      // that the interface fixes.
      number = unsafe memory.withUnsafeMutableBytes { bytes in
        guard let start = bytes.baseAddress else { return EFAULT }
        func put<Number>(_ value: Number, at offset: Int) {
          unsafe bytes.storeBytes(of: value, toByteOffset: offset, as: Number.self)
        }
        let base = UInt(bitPattern: start)
        put(base + UInt(Self.requestAt), at: Self.requestPointerAt)
        put(base + UInt(Self.responseAt), at: Self.responsePointerAt)
        guard let certificateBytes else { return unsafe call(getReport, start) }
        put(base + UInt(Self.certificatesAt), at: Self.certificatesPointerAt)
        put(UInt32(certificateBytes), at: Self.certificateBytesAt)
        return unsafe call(getExtendedReport, start)
      }
      (self.memory, isExtended) = (memory, certificateBytes != nil)
    }

    private func word(_ offset: Int) -> UInt32 { memory.littleEndian(offset) }

    /// The kernel writes both halves back only when they are not zero, so they mean something only
    /// after a failure.
    var fault: DeviceFault {
      .call(number: number, firmware: word(Self.firmwareAt), host: word(Self.hostAt))
    }

    var remedy: Remedy {
      switch (number, word(Self.hostAt)) {
      case (EINTR, _), (EAGAIN, _): .again
      case (EIO, 1): .grow(isExtended ? Int(word(Self.certificateBytesAt)) : 0)
      case (EIO, 2), (ETIMEDOUT, _): .wait
      case (EIO, _) where word(Self.firmwareAt) != 0: .end(.deviceFirmware)
      case (ENOTTY, _): .end(.deviceKeyDisabled)
      default: .end(.deviceErrno)
      }
    }

    /// Success of the call is not yet a report: status, size, and that it says what was asked.
    func checked(
      for data: [UInt8]
    ) throws(FailureToken) -> (report: [UInt8], certificates: [UInt8]) {
      let report = memory.bytes(Self.reportAt, Report.byteCount)
      let vmpl: UInt32 = report.littleEndian(0x30)
      guard word(Self.responseAt) == 0, Int(word(Self.responseAt + 4)) == Report.byteCount,
        vmpl == 0, report.bytes(0x50, dataBytes) == data
      else { throw .deviceResponse }
      return (report, Array(memory[Self.certificatesAt...]))
    }
  }
}
