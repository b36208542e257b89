import CLinux
import EmulatedMachine
import Glibc
import PMCrypto
import PMSystem
import Testing
import Vectors

@testable import PMAttest

/// The kernel's side: its log, its ioctl, its TPM. They need a machine of their own, which
/// `Tests/PMAttestTests/Machine/run-in-vm` starts: root, a device in user space, a TPM beside it,
/// and a boot parameter that reads like the message of the kernel that the gate looks for.
@Suite(
  .serialized,
  .enabled(
    if: Environment.value("PM_DEVICE_MACHINE") != nil,
    "needs a machine of its own: Tests/PMAttestTests/Machine/run-in-vm"))
struct KernelDeviceTests {
  private static let emulation = Result { try GuestDeviceEmulation { script.value($0, $1) } }
  private static let script = Shared<@Sendable (Bool, [UInt8]) -> GuestDeviceEmulation.Answer> {
    _, _ in GuestDeviceEmulation.Answer()
  }

  private static func report(_ data: [UInt8]) -> GuestDeviceEmulation.Answer {
    var answer = GuestDeviceEmulation.Answer()
    guard let evidence = try? SyntheticEvidence(.baseline), let report = try? evidence.report(data)
    else {
      answer.number = EPROTO
      return answer
    }
    answer.response.replaceSubrange(4..<8, with: [0xA0, 0x04, 0, 0])
    answer.response.replaceSubrange(32..<32 + 1184, with: report)
    answer.certificates = evidence.certificateTable
    return answer
  }

  /// The production code over the emulated node; only the checks of the node itself are left out.
  private static func guest() throws -> SEVGuest {
    _ = try emulation.get()
    // Closed with the guest, while the emulation still answers: the kernel waits for that.
    guard let device = OwnedDescriptor(result: unsafe open("/dev/sev-guest", O_RDWR | O_CLOEXEC))
    else { throw EmulationError.program }
    return unsafe SEVGuest(
      call: { code, argument in
        unsafe pm_ioctl(device.number, code, argument) == 0 ? 0 : pm_errno()
      }, pause: { _ in })
  }

  // MARK: Log

  @Test func bootParametersAndUserSpaceDoNotSpeakForTheKernel() throws {
    let text = "Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP"
    let log = try FileIO.openForWriting("/dev/kmsg")
    try FileIO.write(Array("<0>\(text)\n".utf8), to: log)
    let records = KernelLogDevice.records()
    let all = records.map { String(decoding: $0, as: UTF8.self) }
    #expect(all.contains { $0.contains("Kernel command line") && $0.contains(text) })
    #expect(all.contains { $0.contains(";\(text)") })
    for platform in Platform.allCases {
      let fault = token { () throws(FailureToken) in
        _ = try KernelLog(records: records).line(for: platform)
      }
      #expect(fault == (platform == .snp ? .kmsgNoSNP : .kmsgNoIsolation))
    }
  }

  // MARK: The device for reports

  @Test func anEmulatedNodeIsNotTheRealOne() throws {
    _ = try Self.emulation.get()
    let check = token { () throws(FailureToken) in _ = try Machine.real.checkDevice(.snp) }
    #expect(check == .deviceType)
    let opened = token { () throws(FailureToken) in _ = try Machine.real.openReportDevice() }
    #expect(opened == .deviceType)
  }

  @Test func theKernelCarriesWholeReports() throws {
    Self.script.change { $0 = { _, data in Self.report(data) } }
    let guest = try Self.guest()
    let data = (0..<64).map { UInt8($0) }
    let report = try guest.report(data)
    #expect(report[0x50..<0x90].elementsEqual(data))
    let extended = try guest.extendedReport(data)
    #expect(extended.report[0x50..<0x90].elementsEqual(data))
    let chain = try EmulatedMachine.chain(.baseline)
    #expect(try CertificateTable(extended.certificates).vcek == chain[0])
  }

  @Test func errorsComeThroughWithBothHalves() throws {
    let guest = try Self.guest()
    func fault(
      _ edit: @escaping @Sendable (inout GuestDeviceEmulation.Answer) -> Void
    ) -> FailureToken? {
      Self.script.change { script in
        script = { _, data in
          var answer = Self.report(data)
          edit(&answer)
          return answer
        }
      }
      return token { () throws(FailureToken) in
        _ = try guest.extendedReport([UInt8](repeating: 1, count: 64))
      }
    }
    #expect(fault { ($0.number, $0.firmware) = (EIO, 0x16) } == .deviceFirmware)
    #expect(guest.fault == .call(number: EIO, firmware: 0x16, host: 0))
    #expect(fault { ($0.number, $0.host) = (EIO, 2) } == .deviceBusy)
    #expect(guest.fault == .call(number: EIO, firmware: 0, host: 2))
    #expect(fault { ($0.number, $0.host, $0.wantedBytes) = (EIO, 1, 0x5000) } == .deviceLength)
    #expect(fault { $0.number = ENOTTY } == .deviceKeyDisabled)
    #expect(fault { $0.number = EINVAL } == .deviceErrno)
    #expect(fault { $0.response[0] = 0x16 } == .deviceResponse)
    #expect(fault { _ in } == nil)
  }

  // MARK: The TPM

  @Test func theKernelsTPMGivesEvidenceThatIsProven() throws {
    #expect(try Machine.real.checkDevice(.azure).major > 0)
    let device = try Machine.real.openTPM()
    try SoftwareTPM.makeKey(on: device)
    let clock = EmulatedClock()
    let paravisor = try Paravisor(device, evidence: SyntheticEvidence(.azure), clock: clock)
    let collector = Recorded.collector(paravisor) { clock.pause(milliseconds: $0) }
    let chain = try EmulatedMachine.chain(.azure)
    let preparation = try collector.prepare(
      key: try Recorded.inputs().key, claims: EvidenceCollectorTests.claims(.azure),
      nonce: Nonce.random())
    for _ in 0..<2 {
      let nonce = Nonce.random()
      let body = try collector.collect(nonce, for: preparation)
      #expect(
        try EvidenceCollectorTests.verdict(.azure, preparation, nonce, body, chain: chain)
          == (.proven, nil))
    }
  }
}
