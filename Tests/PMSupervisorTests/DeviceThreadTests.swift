import Glibc
import PMAttest
import PMSystem
import Testing

@testable import PMSupervisor

/// A device that takes its time.
@Suite struct DeviceThreadTests {
  private static func machine(whenever isFree: Guarded<Bool>) -> Machine {
    Machine(
      kernelRecords: {
        while !isFree.withLock({ $0 }) { usleep(1000) }
        return []
      }, journalEntries: { [] },
      deviceNumbers: { _ throws(FailureToken) in throw .deviceMissing },
      openReportDevice: { () throws(FailureToken) in throw .deviceMissing },
      openTPM: { () throws(FailureToken) in throw .tpmMissing }, pause: { _ in },
      random: { [UInt8](repeating: 1, count: $0) })
  }

  @Test func oneQuestionTooManyFailsAtOnceAndTheOthersAreAnswered() throws {
    let isFree = Guarded(false)
    let loop = try EventLoop()
    let devices = try DeviceThread(Self.machine(whenever: isFree), loop)
    var answered: [Int] = []
    func ask(_ number: Int, expecting expected: FailureToken) {
      devices.ask(.kernelLine(.snp)) { result in
        if case .failed(expected, nil) = result { answered.append(number) }
      }
    }
    func wait(for count: Int) {
      let end = Instant.now().adding(seconds: 10)
      while answered.count < count, Instant.now() < end { loop.turn(waitMillisecondsMax: 100) }
    }
    let all = Array(0..<RuntimeLimits.deviceJobsMax)
    for number in all { ask(number, expecting: .kmsgUnreadable) }
    ask(99, expecting: .deviceBusy)
    #expect(answered == [99])
    isFree.withLock { $0 = true }
    wait(for: all.count + 1)
    #expect(answered == [99] + all)
    // There is room again.
    ask(100, expecting: .kmsgUnreadable)
    wait(for: all.count + 2)
    #expect(answered.last == 100)
    // The thread may still be ringing for what was just taken.
    loop.turn(waitMillisecondsMax: 100)
  }
}
