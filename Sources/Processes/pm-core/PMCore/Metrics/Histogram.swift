import PMSystem

/// What a histogram counts: the upper ends of its ranges, in whole units. Those of tokens and times
/// are the ones that the OpenTelemetry conventions for generative AI advise.
enum HistogramScale: UInt8, Sendable {
  case tokens
  /// Times of all kinds are counted in microseconds, and told in seconds.
  case requestTime, firstTokenTime, outputTokenTime, commitTime

  private static let millisecond: Int64 = 1000
  private static let tokenLimits: [Int64] = (0..<14).map { 1 << (2 * $0) }
  private static let requestLimits: [Int64] = (0..<14).map { 10 * millisecond << $0 }
  private static let firstTokenLimits: [Int64] = [
    1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000,
  ].map { $0 * millisecond }
  private static let outputTokenLimits: [Int64] = [
    10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2500,
  ].map { $0 * millisecond }
  private static let commitLimits: [Int64] = [
    100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
  ]

  var limits: [Int64] {
    switch self {
    case .tokens: Self.tokenLimits
    case .requestTime: Self.requestLimits
    case .firstTokenTime: Self.firstTokenLimits
    case .outputTokenTime: Self.outputTokenLimits
    case .commitTime: Self.commitLimits
    }
  }

  /// Decimal places of the unit that is told.
  var places: Int { self == .tokens ? 0 : 6 }

  /// Lines that one histogram can have: its ranges, the one without an end, sum and count.
  var seriesMax: Int { limits.count + 3 }
}

/// How many values lay in which range. Of fixed size, so that counting allocates nothing.
struct Histogram: Sendable {
  /// The longest scale, and the range without an end.
  private static let rangesMax = 17
  private var counts = InlineArray<17, UInt64>(repeating: 0)
  let scale: HistogramScale
  /// Wraps around after centuries.
  private(set) var sum: UInt64 = 0

  init(_ scale: HistogramScale) {
    precondition(scale.limits.count < Self.rangesMax, "a scale fits")
    self.scale = scale
  }

  mutating func add(_ value: Int64) {
    let limits = scale.limits
    var range = 0
    while range < limits.count, value > limits[range] { range += 1 }
    counts[range] &+= 1
    sum &+= UInt64(max(0, value))
  }

  var count: UInt64 {
    var all: UInt64 = 0
    for index in counts.indices { all &+= counts[index] }
    return all
  }

  /// For each range how many values lay in it or below.
  var cumulated: [UInt64] {
    var all: UInt64 = 0
    return (0...scale.limits.count).map { range in
      all &+= counts[range]
      return all
    }
  }
}
