import PMWire

/// What the vendor counts, one number for each of its limits.
struct VendorAmounts: Equatable, Sendable {
  private var values = InlineArray<5, Int64>(repeating: 0)

  subscript(_ measure: VendorLimit) -> Int64 {
    get { values[measure.rawValue] }
    set { values[measure.rawValue] = newValue }
  }

  init() {}

  init(_ limits: VendorLimits) {
    for measure in VendorLimit.allCases { self[measure] = limits[measure] }
  }

  /// What an ended request has used.
  init(_ usage: Usage) {
    self[.requests] = 1
    self[.promptTokens] = usage.fresh
    self[.completionTokens] = usage.output
    self[.cachedTokens] = usage.cached
    self[.audioSeconds] = (usage.audioMilliseconds + 999) / 1000
  }

  mutating func add(_ other: VendorAmounts) {
    for index in values.indices { values[index] += other.values[index] }
  }

  mutating func subtract(_ other: VendorAmounts) {
    for index in values.indices { values[index] -= other.values[index] }
  }

  static func == (a: VendorAmounts, b: VendorAmounts) -> Bool {
    VendorLimit.allCases.allSatisfy { a[$0] == b[$0] }
  }
}
