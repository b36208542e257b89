internal import Glibc
internal import PMSystem

/// All that the gate asks of the machine it runs on. `real` is the only one in the product; tests
/// make others.
public struct Machine: Sendable {
  let kernelRecords: @Sendable () -> [[UInt8]]
  let journalEntries: @Sendable () -> [[UInt8]]
  let deviceNumbers: @Sendable (Platform) throws(FailureToken) -> DeviceNumbers
  let openReportDevice: @Sendable () throws(FailureToken) -> any ReportDevice
  let openTPM: @Sendable () throws(FailureToken) -> any TPMTransport
  let pause: @Sendable (_ milliseconds: UInt64) -> Void
  let random: @Sendable (_ count: Int) -> [UInt8]

  public init(
    kernelRecords: @escaping @Sendable () -> [[UInt8]],
    journalEntries: @escaping @Sendable () -> [[UInt8]],
    deviceNumbers: @escaping @Sendable (Platform) throws(FailureToken) -> DeviceNumbers,
    openReportDevice: @escaping @Sendable () throws(FailureToken) -> any ReportDevice,
    openTPM: @escaping @Sendable () throws(FailureToken) -> any TPMTransport,
    pause: @escaping @Sendable (_ milliseconds: UInt64) -> Void,
    random: @escaping @Sendable (_ count: Int) -> [UInt8]
  ) {
    self.kernelRecords = kernelRecords
    self.journalEntries = journalEntries
    self.deviceNumbers = deviceNumbers
    self.openReportDevice = openReportDevice
    self.openTPM = openTPM
    self.pause = pause
    self.random = random
  }

  /// This machine: its kernel, its devices, its clock.
  public static let real = Machine(
    kernelRecords: KernelLogDevice.records,
    journalEntries: Journal.entries,
    deviceNumbers: GuestDevice.check,
    openReportDevice: { () throws(FailureToken) in try SEVGuest(pause: sleep) },
    openTPM: { () throws(FailureToken) in try TPMDevice() },
    pause: sleep,
    random: randomBytes)

  private static func sleep(milliseconds: UInt64) {
    let deadline = Instant.now().adding(milliseconds: milliseconds)
    while true {
      let left = deadline.millisecondsSince(.now())
      if left == 0 { return }
      _ = poll(nil, 0, Int32(clamping: left))
    }
  }

  /// The message of the kernel that says what kind of machine this is. When the kernel has
  /// overwritten the start of its log, the journal of this boot is asked once.
  public func kernelLine(for platform: Platform) throws(FailureToken) -> String {
    var log = KernelLog(records: kernelRecords())
    do { return try log.line(for: platform) } catch {
      guard let oldest = log.oldestSequence, oldest > 0 else { throw error }
      log.append(journal: journalEntries())
      return try log.line(for: platform)
    }
  }

  /// That the device of the platform is there, is no emulation in user space, and opens.
  public func checkDevice(_ platform: Platform) throws(FailureToken) -> DeviceNumbers {
    try deviceNumbers(platform)
  }

  /// A fresh nonce; zero is reserved and never given.
  public func nonce() -> Nonce {
    while true {
      if let nonce = Nonce(random(Nonce.byteCount)), !nonce.isZero { return nonce }
    }
  }
}
