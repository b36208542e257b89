/// What one request used, in the classes that have prices, and how we know.
struct Usage: Equatable, Sendable {
  /// Where the counts come from (`usage_source` of the ledger).
  enum Source: UInt8, CaseIterable, Sendable {
    case none, upstream, estimate, reservation

    var word: String {
      switch self {
      case .none: "none"
      case .upstream: "upstream"
      case .estimate: "estimate"
      case .reservation: "reservation"
      }
    }
  }

  /// What was unusual.
  struct Flags: OptionSet, Sendable {
    let rawValue: UInt32
    /// The vendor reported no usage.
    static let unknown = Flags(rawValue: 1 << 0)
    /// The answer ended early.
    static let partial = Flags(rawValue: 1 << 1)
    static let failed = Flags(rawValue: 1 << 2)
    static let clientGone = Flags(rawValue: 1 << 3)
    /// Ended by us at a budget.
    static let cut = Flags(rawValue: 1 << 4)
    static let unpriced = Flags(rawValue: 1 << 5)
    /// Nothing reached the vendor.
    static let notSent = Flags(rawValue: 1 << 6)
    /// The vendor reported more cached than prompt tokens; all of them count as fresh.
    static let cachedAbovePrompt = Flags(rawValue: 1 << 7)
    /// A defect of ours: the charge is higher than what was reserved for it.
    static let aboveReservation = Flags(rawValue: 1 << 8)

    /// Names in reports, by bit.
    static let words: [(Flags, String)] = [
      (.unknown, "unknown"), (.partial, "partial"), (.failed, "failed"),
      (.clientGone, "client_gone"), (.cut, "cut"), (.unpriced, "unpriced"),
      (.notSent, "not_sent"), (.cachedAbovePrompt, "cached_above_prompt"),
      (.aboveReservation, "above_reservation"),
    ]
  }

  /// Prompt tokens that were not in the vendor's cache.
  var fresh: Int64 = 0
  /// Prompt tokens that were.
  var cached: Int64 = 0
  var output: Int64 = 0
  var audioMilliseconds: Int64 = 0
  /// Bytes of the whole request body, for audio only.
  var bytes: Int64 = 0
  var source: Source = .none
  var flags: Flags = []

  init() {}

  /// Takes a report in which `prompt` includes `cached`.
  init(prompt: Int64, cached: Int64, output: Int64, source: Source, flags: Flags = []) {
    self.output = output
    self.source = source
    self.flags = flags
    if cached > prompt {
      fresh = prompt
      self.flags.insert(.cachedAbovePrompt)
    } else {
      fresh = prompt - cached
      self.cached = cached
    }
  }

  /// All tokens; nil if the sum does not fit.
  var tokens: Int64? {
    let (prompt, first) = fresh.addingReportingOverflow(cached)
    let (all, second) = prompt.addingReportingOverflow(output)
    return first || second ? nil : all
  }
}
