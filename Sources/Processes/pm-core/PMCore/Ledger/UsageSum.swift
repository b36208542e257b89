import PMStore
import PMSystem

/// What rows of `ended` are summed up by.
struct UsageGroup: Hashable {
  /// Days since 1970 UTC, by the time of the id.
  var day: Int64
  var key: Int64
  var model: Int64
  var route: Int64
}

extension UsageGroup {
  init(_ row: EndedRow) {
    day = row.id.time.day
    key = row[.key] ?? 0
    model = row[.model] ?? 0
    route = row[.route] ?? 0
  }
}

/// Sums of requests that have ended. What was released is counted and adds nothing else. Counts
/// that a vendor reports are not to be trusted to fit; a sum at the largest number is seen at once.
struct UsageSum {
  enum Member: Int, CaseIterable {
    /// Requests by what they came to.
    case settled, released, unsettled
    /// Charged requests without a cost.
    case unpriced
    case fresh, cached, output, audioMilliseconds, audioBytes, nanoEuro
  }
  /// The columns of `total` that hold them.
  static let columns = [
    "settled", "released", "unsettled", "unpriced", "fresh_tokens", "cached_tokens",
    "output_tokens", "audio_milliseconds", "audio_bytes", "cost_nano_euro",
  ]

  private var values = InlineArray<10, Int64>(repeating: 0)

  init() {}

  /// Reads `columns` of the present row, of which the first is at `column`.
  init(_ rows: Statement, from column: Int32) {
    values = InlineArray { rows.integer(column + Int32($0)) }
  }

  /// Binds the members to the parameters from `parameter` on.
  func bind(to statement: Statement, from parameter: Int32) throws(StoreError) {
    for index in values.indices { try statement.bind(parameter + Int32(index), values[index]) }
  }

  subscript(_ member: Member) -> Int64 { values[member.rawValue] }

  /// Requests that the vendor has answered, or may have.
  var requests: Int64 { self[.settled] + self[.unsettled] }
  var prompt: Int64 { self[.fresh].addingClamped(self[.cached]) }
  var tokens: Int64 { prompt.addingClamped(self[.output]) }

  mutating func add(_ value: Int64, to member: Member) {
    values[member.rawValue] = values[member.rawValue].addingClamped(value)
  }

  mutating func add(_ row: EndedRow) {
    switch RequestState(rawValue: UInt8(truncatingIfNeeded: row[.state] ?? 0)) {
    case .settled: add(1, to: .settled)
    case .unsettled: add(1, to: .unsettled)
    case .released: return add(1, to: .released)
    case .reserved, nil: return
    }
    add(row[.freshTokens] ?? 0, to: .fresh)
    add(row[.cachedTokens] ?? 0, to: .cached)
    add(row[.outputTokens] ?? 0, to: .output)
    add(row[.audioMilliseconds] ?? 0, to: .audioMilliseconds)
    add(row[.audioBytes] ?? 0, to: .audioBytes)
    if let cost = row[.costNanoEuro] {
      add(cost, to: .nanoEuro)
    } else {
      add(1, to: .unpriced)
    }
  }

  mutating func add(_ other: UsageSum) {
    for index in values.indices {
      values[index] = values[index].addingClamped(other.values[index])
    }
  }
}

extension UsageSum: Equatable {
  static func == (a: UsageSum, b: UsageSum) -> Bool {
    a.values.indices.allSatisfy { a.values[$0] == b.values[$0] }
  }
}

extension Int64 {
  /// The sum, or the largest number if it does not fit.
  func addingClamped(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
