internal import PMJSON

/// What the vendor limits for all keys together, in a minute.
public enum VendorLimit: Int, CaseIterable, Sendable {
  case requests, promptTokens, completionTokens, cachedTokens, audioSeconds

  /// The member of `vendor.limits`.
  var member: String {
    switch self {
    case .requests: "requestsPerMinute"
    case .promptTokens: "promptTokensPerMinute"
    case .completionTokens: "completionTokensPerMinute"
    case .cachedTokens: "cachedTokensPerMinute"
    case .audioSeconds: "audioSecondsPerMinute"
    }
  }

  /// A third party's reading of September 2026.
  fileprivate var perMinuteDefault: Int64 {
    switch self {
    case .requests: 20
    case .promptTokens: 200_000
    case .completionTokens: 20_000
    case .cachedTokens: 500_000
    case .audioSeconds: 6000
    }
  }

  /// Far beyond what the vendor sells.
  static let perMinuteRange: ClosedRange<Int64> = 0...1_000_000_000
}

/// The vendor's limits; 0 is none.
public struct VendorLimits: Equatable, Sendable {
  private var perMinute = VendorLimit.allCases.map(\.perMinuteDefault)

  public init() {}

  public subscript(_ limit: VendorLimit) -> Int64 {
    get { perMinute[limit.rawValue] }
    set { perMinute[limit.rawValue] = newValue }
  }

  init(_ members: MemberReader) throws(ConfigurationError) {
    var members = members
    for limit in VendorLimit.allCases {
      if let value = try members.integer(limit.member, VendorLimit.perMinuteRange) {
        self[limit] = value
      }
    }
    try members.finish()
  }

  var json: JSONValue {
    .object(
      JSONObject(VendorLimit.allCases.map { .init($0.member, .integer(self[$0])) }))
  }
}
