import PMStore
import PMSystem
import PMWire

/// Answers a key's holder about its own usage, and nothing else of the ledger. It reads on a thread
/// of its own, so that clients never keep administrators waiting.
final class HolderDesk {
  /// Of a question; the longest that makes sense is two times and their names.
  static let queryBytesMax = 128

  private let reader: LedgerReader
  /// Keys with a question that is not answered: each may have one, so none keeps the others out.
  private var asking: Set<Int64> = []

  init(ledgerPath: String, in loop: EventLoop) throws(SystemError) {
    reader = try LedgerReader(path: ledgerPath, loop: loop)
  }

  enum Answer {
    case response(ControlResponse)
    case error(APIError)
  }

  /// Sums up the usage of a key; `reply` is called once, now or later.
  func answer(
    _ query: String, of key: KeyRecord, at time: WallTime, reply: @escaping (Answer) -> Void
  ) {
    guard let period = Self.period(query, at: time) else { return reply(.error(.badQuery)) }
    let row = key.row
    guard !asking.contains(row) else { return reply(.error(.keyLimit.retrying(after: 1))) }
    let summary = UsageSummary(period: period, key: row)
    let isLined = reader.ask({ (database) throws(StoreError) in try summary.answer(database) }) {
      [weak self] result in
      self?.asking.remove(row)
      switch result {
      case .success(let response): reply(.response(response))
      case .failure: reply(.error(.ledgerUnavailable))
      }
    }
    if isLined { asking.insert(row) } else { reply(.error(.overloaded)) }
  }

  /// `period` with a known word, or `start` and `end`; without a query the month. Nil for anything
  /// else, so that nobody takes another period for the one that was asked for.
  static func period(_ text: String, at time: WallTime) -> UsagePeriod? {
    guard text.utf8.count <= queryBytesMax, let query = ControlQuery(text[...]) else { return nil }
    switch query.names {
    case []: return UsagePeriod("month", at: time)
    case ["period"]:
      let word = query["period"] ?? ""
      let period = UsagePeriod(word, at: time)
      return period.name == word ? period : nil
    case ["start", "end"]:
      guard let start = query.time("start"), let end = query.time("end"), start < end else {
        return nil
      }
      return UsagePeriod(start: start, end: end)
    default: return nil
    }
  }
}
