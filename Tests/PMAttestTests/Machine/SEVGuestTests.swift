import CLinux
import Testing

@testable import PMAttest

/// The driver's side of the ioctl, played by a script.
@safe private final class FakeDriver {
  struct Request {
    let number: UInt
    let argument: [UInt8]
    let body: [UInt8]
    let certificateBytes: Int
    /// Response and certificates, before anything was written.
    let areBuffersZero: Bool
  }

  enum Answer {
    /// Success; the response is edited before it is given.
    case report((inout [UInt8]) -> Void = { _ in })
    case failure(Int32, firmware: UInt32 = 0, host: UInt32 = 0, wanted: UInt32? = nil)
  }

  /// The last one is given for ever.
  private var answers: [Answer]
  private(set) var requests: [Request] = []
  private(set) var pauses: [UInt64] = []

  init(_ answers: [Answer]) { self.answers = answers }

  var guest: SEVGuest {
    unsafe SEVGuest(call: { unsafe self.call($0, $1) }, pause: { self.pauses.append($0) })
  }

  private func call(_ number: UInt, _ argument: UnsafeMutableRawPointer) -> Int32 {
    let isExtended = number == 0xC020_5302
    let request = unsafe pointer(argument, 8)
    let response = unsafe pointer(argument, 16)
    let certificates = isExtended ? unsafe pointer(request, 96) : nil
    let certificateBytes =
      isExtended ? Int(unsafe request.loadUnaligned(fromByteOffset: 104, as: UInt32.self)) : 0
    let held =
      unsafe bytes(response, 4000) + (certificates.map { unsafe bytes($0, certificateBytes) } ?? [])
    requests.append(
      Request(
        number: number, argument: unsafe bytes(argument, 32),
        body: unsafe bytes(request, isExtended ? 112 : 96), certificateBytes: certificateBytes,
        areBuffersZero: held.allSatisfy { $0 == 0 }))
    // What a failed call leaves behind must not be met by the next one.
    unsafe response.initializeMemory(as: UInt8.self, repeating: 0xEE, count: 4000)
    let answer = answers.count > 1 ? answers.removeFirst() : answers[0]
    switch answer {
    case .report(let edit):
      var bytes = [UInt8](repeating: 0, count: 4000)
      bytes[4] = 0xA0
      bytes[5] = 0x04
      bytes.replaceSubrange(32 + 0x50..<32 + 0x90, with: requests[requests.count - 1].body[0..<64])
      edit(&bytes)
      unsafe response.copyMemory(from: bytes, byteCount: 4000)
      if let certificates = unsafe certificates {
        unsafe certificates.storeBytes(of: 0x5A, as: UInt8.self)
      }
      return 0
    case .failure(let errno, let firmware, let host, let wanted):
      unsafe argument.storeBytes(of: firmware, toByteOffset: 24, as: UInt32.self)
      unsafe argument.storeBytes(of: host, toByteOffset: 28, as: UInt32.self)
      if let wanted { unsafe request.storeBytes(of: wanted, toByteOffset: 104, as: UInt32.self) }
      return errno
    }
  }

  /// The addresses come from the code under test; a wrong one would end this test by a signal.
  private func pointer(_ base: UnsafeMutableRawPointer, _ offset: Int) -> UnsafeMutableRawPointer {
    let address = unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt.self)
    guard let pointer = unsafe UnsafeMutableRawPointer(bitPattern: address) else {
      preconditionFailure("a null pointer in the request")
    }
    return unsafe pointer
  }
  private func bytes(_ base: UnsafeMutableRawPointer, _ count: Int) -> [UInt8] {
    unsafe Array(UnsafeRawBufferPointer(start: base, count: count))
  }
}

@Suite struct SEVGuestTests {
  private static let data = (0..<64).map { UInt8($0 + 1) }

  /// The token, how many calls it took, and the pauses between them.
  private func run(
    _ answers: [FakeDriver.Answer], isExtended: Bool = true
  ) -> (token: FailureToken?, calls: Int, pauses: [UInt64], fault: DeviceFault?) {
    let driver = FakeDriver(answers)
    let guest = driver.guest
    let token = token { () throws(FailureToken) in
      if isExtended {
        _ = try guest.extendedReport(Self.data)
      } else {
        _ = try guest.report(Self.data)
      }
    }
    return (token, driver.requests.count, driver.pauses, guest.fault)
  }

  // MARK: What is sent

  @Test func aReportIsAskedForAsTheInterfaceSays() throws {
    let driver = FakeDriver([.report()])
    let report = try driver.guest.report(Self.data)
    #expect(report.count == 1184 && report[0x50..<0x90].elementsEqual(Self.data))
    let request = try #require(driver.requests.first)
    #expect(request.number == 0xC020_5300)
    #expect(request.argument[0..<8] == [1, 0, 0, 0, 0, 0, 0, 0])
    #expect(request.argument[24..<32].allSatisfy { $0 == 0 })
    #expect(request.body == Self.data + [UInt8](repeating: 0, count: 32))
    #expect(request.areBuffersZero)
  }

  @Test func anExtendedReportBringsTheCertificatesOfTheHost() throws {
    let driver = FakeDriver([.report()])
    let (report, certificates) = try driver.guest.extendedReport(Self.data)
    #expect(report[0x50..<0x90].elementsEqual(Self.data))
    #expect(certificates.count == 0x4000 && certificates[0] == 0x5A)
    let request = try #require(driver.requests.first)
    #expect(request.number == 0xC020_5302)
    #expect(request.certificateBytes == 0x4000)
    #expect(request.body[0..<64].elementsEqual(Self.data))
    #expect(request.body[64..<96].allSatisfy { $0 == 0 })
    #expect(request.body[108..<112].allSatisfy { $0 == 0 })
    #expect(request.areBuffersZero)
  }

  @Test func everyCallHasZeroedBuffers() {
    let driver = FakeDriver([.failure(EINTR, firmware: 7, host: 9), .failure(EAGAIN), .report()])
    let fault = token { () throws(FailureToken) in _ = try driver.guest.extendedReport(Self.data) }
    #expect(fault == nil)
    #expect(driver.requests.count == 3)
    #expect(driver.requests.allSatisfy { $0.areBuffersZero })
    #expect(driver.requests.allSatisfy { $0.argument[24..<32].allSatisfy { $0 == 0 } })
  }

  // MARK: What comes back with success

  @Test func successWithoutAReportIsRefused() {
    let edits: [@Sendable (inout [UInt8]) -> Void] = [
      { $0[0] = 0x16 }, { $0[0] = 0x27 }, { $0[3] = 1 },
      { $0[4] = 0x9F },
      {
        $0[4] = 0; $0[5] = 0
      }, { $0[7] = 1 },
      { $0[32 + 0x50] ^= 1 }, { $0[32 + 0x8F] ^= 0x80 },
      { $0[32 + 0x30] = 1 }, { $0[32 + 0x33] = 0xFF },
    ]
    for edit in edits {
      for isExtended in [true, false] {
        let (token, calls, _, _) = run([.report(edit)], isExtended: isExtended)
        #expect(token == .deviceResponse)
        #expect(calls == 1)
      }
    }
  }

  // MARK: The table of errors

  struct Row: Sendable {
    let errno: Int32
    var firmware: UInt32 = 0
    var host: UInt32 = 0
    let token: FailureToken
    var calls = 1
    var pauses = 0
  }

  static let rows: [Row] = [
    Row(errno: EINVAL, token: .deviceErrno),
    Row(errno: EFAULT, token: .deviceErrno),
    Row(errno: ENOMEM, token: .deviceErrno),
    Row(errno: EIO, token: .deviceErrno),
    Row(errno: EIO, host: 2, token: .deviceBusy, calls: 5, pauses: 4),
    Row(errno: ETIMEDOUT, token: .deviceBusy, calls: 5, pauses: 4),
    Row(errno: EIO, firmware: 0x16, token: .deviceFirmware),
    Row(errno: EIO, firmware: 0xFFFF_FFFF, token: .deviceFirmware),
    Row(errno: ENOTTY, token: .deviceKeyDisabled),
    Row(errno: EINTR, token: .deviceBusy, calls: SEVGuest.repeatsMax + 1),
    Row(errno: EAGAIN, token: .deviceBusy, calls: SEVGuest.repeatsMax + 1),
  ]

  @Test(arguments: rows, [true, false])
  func anErrorForEver(_ row: Row, _ isExtended: Bool) {
    let answer = FakeDriver.Answer.failure(row.errno, firmware: row.firmware, host: row.host)
    let (token, calls, pauses, fault) = run([answer], isExtended: isExtended)
    #expect(token == row.token)
    #expect(calls == row.calls)
    #expect(pauses == [UInt64](repeating: 2000, count: row.pauses))
    #expect(fault == .call(number: row.errno, firmware: row.firmware, host: row.host))
  }

  @Test(arguments: rows.filter { $0.calls > 1 })
  func anErrorThatPasses(_ row: Row) {
    let failure = FakeDriver.Answer.failure(row.errno, host: row.host)
    #expect(run([failure, failure, failure, failure, .report()]).token == nil)
  }

  @Test func aHostThatThrottlesAndStopsIsWaitedFor() {
    let busy = FakeDriver.Answer.failure(EIO, host: 2)
    let (token, calls, pauses, _) = run([busy, busy, .report()])
    #expect(token == nil && calls == 3 && pauses == [2000, 2000])
  }

  // MARK: Certificates that do not fit

  private func grow(_ wanted: UInt32) -> FakeDriver.Answer {
    .failure(EIO, host: 1, wanted: wanted)
  }

  @Test func theSizeThatTheHostWantsIsTriedOnce() {
    let driver = FakeDriver([grow(0x2001), .report()])
    let fault = token { () throws(FailureToken) in _ = try driver.guest.extendedReport(Self.data) }
    #expect(fault == nil)
    #expect(driver.requests.map(\.certificateBytes) == [0x4000, 0x3000])
    #expect(run([grow(0x2000)]).token == .deviceLength)
    #expect(run([grow(0x2000)]).calls == 2)
  }

  @Test(arguments: [0, 0x4001, 0x5000, 0xFFFF_F001, 0xFFFF_FFFF] as [UInt32])
  func aSizeThatNobodyCanWantIsRefused(_ wanted: UInt32) {
    let (token, calls, _, _) = run([grow(wanted), .report()])
    #expect(token == .deviceLength && calls == 1)
  }

  @Test func aReportWithoutCertificatesHasNoneToGrow() {
    #expect(run([.failure(EIO, host: 1), .report()], isExtended: false).token == .deviceLength)
  }
}
