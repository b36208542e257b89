@testable import PMAttest

extension Machine {
  /// A machine with a log and nothing else that answers.
  static func inert(
    records: [String] = [], journal: [String] = [], device: FailureToken? = nil
  ) -> Machine {
    Machine(
      kernelRecords: { records.map { Array($0.utf8) } },
      journalEntries: { journal.map { Array($0.utf8) } },
      deviceNumbers: { (_) throws(FailureToken) in
        if let device { throw device }
        return DeviceNumbers(major: 10, minor: 1)
      },
      openReportDevice: { () throws(FailureToken) in throw .deviceMissing },
      openTPM: { () throws(FailureToken) in throw .tpmMissing },
      pause: { _ in },
      random: { [UInt8](repeating: 1, count: $0) })
  }
}

/// What a call throws; nil if it returns.
func token(_ body: () throws(FailureToken) -> Void) -> FailureToken? {
  do { try body() } catch { return error }
  return nil
}
