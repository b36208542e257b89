public import PMJSON

extension CoreControl {
  /// What can be set while the appliance runs, by its name in requests and in the ledger.
  public enum Setting: String, CaseIterable, Sendable {
    case globalRequests = "rate_limit_requests"
    case globalSeconds = "rate_limit_window"
    case addressRequests = "ip_rate_limit_requests"
    case addressSeconds = "ip_rate_limit_window"
    // Of all keys together; the names are those of a key's own limits.
    case tokensPerMinute = "tokens_per_minute"
    case concurrentRequests = "concurrent_requests"
    case dayBudget = "day_budget_eur"
    case monthBudget = "month_budget_eur"
    case warningPercent = "budget_warning_percent"
    /// 0 or 1.
    case refusesUnpriced = "refuse_unpriced"
    case vendorRequests = "vendor_requests_per_minute"
    case vendorPromptTokens = "vendor_prompt_tokens_per_minute"
    case vendorCompletionTokens = "vendor_completion_tokens_per_minute"
    case vendorCachedTokens = "vendor_cached_tokens_per_minute"
    case vendorAudioSeconds = "vendor_audio_seconds_per_minute"

    /// Requests of all keys, and of a client's address.
    public static let windows: [Setting] = [
      .globalRequests, .globalSeconds, .addressRequests, .addressSeconds,
    ]

    /// The limit of all keys that has the form of a key's own.
    var keyLimit: KeyLimits.Member? { KeyLimits.Member(rawValue: rawValue) }

    fileprivate init(_ limit: VendorLimit) {
      switch limit {
      case .requests: self = .vendorRequests
      case .promptTokens: self = .vendorPromptTokens
      case .completionTokens: self = .vendorCompletionTokens
      case .cachedTokens: self = .vendorCachedTokens
      case .audioSeconds: self = .vendorAudioSeconds
      }
    }

    fileprivate func value(of json: JSONValue) throws(Fault) -> Int64? {
      if let keyLimit { return try keyLimit.value(of: json) }
      if self == .refusesUnpriced { return json.boolean.map { $0 ? 1 : 0 } }
      guard let number = json.integer else { return nil }
      guard range.contains(number) else { throw Fault(rawValue, .outOfRange(range)) }
      return number
    }

    private var range: ClosedRange<Int64> {
      switch self {
      case .globalRequests, .addressRequests: RequestWindow.requestsRange
      case .globalSeconds, .addressSeconds: RequestWindow.secondsRange
      default: VendorLimit.perMinuteRange
      }
    }

    fileprivate func json(_ value: Int64) -> JSONValue {
      if let keyLimit { return keyLimit.json(value) }
      return self == .refusesUnpriced ? .bool(value != 0) : .integer(value)
    }
  }

  /// The settings in force; nil is no limit.
  public struct LimitSettings: Equatable, Sendable {
    private var values: [Setting: Int64] = [:]

    public init(_ limits: RequestLimits, _ vendor: VendorLimits = VendorLimits()) {
      self[.globalRequests] = Int64(limits.global.requests)
      self[.globalSeconds] = Int64(limits.global.seconds)
      self[.addressRequests] = Int64(limits.address.requests)
      self[.addressSeconds] = Int64(limits.address.seconds)
      for setting in Setting.allCases {
        if let limit = setting.keyLimit { self[setting] = limits.allKeys[limit] }
      }
      self[.refusesUnpriced] = limits.refusesUnpriced ? 1 : 0
      for limit in VendorLimit.allCases { self[Setting(limit)] = vendor[limit] }
    }

    public subscript(_ setting: Setting) -> Int64? {
      get { values[setting] }
      set { values[setting] = newValue }
    }

    private func number(_ setting: Setting) -> Int { Int(self[setting] ?? 0) }

    public var global: RequestWindow {
      RequestWindow(requests: number(.globalRequests), seconds: number(.globalSeconds))
    }
    public var address: RequestWindow {
      RequestWindow(requests: number(.addressRequests), seconds: number(.addressSeconds))
    }
    /// Limits of all keys together, in the form of a key's own.
    public var allKeys: KeyLimits {
      var limits = KeyLimits()
      for setting in Setting.allCases {
        if let limit = setting.keyLimit { limits[limit] = self[setting] }
      }
      limits.requests = number(.globalRequests)
      return limits
    }
    public var refusesUnpriced: Bool { self[.refusesUnpriced] == 1 }
    public var vendor: VendorLimits {
      var limits = VendorLimits()
      for limit in VendorLimit.allCases { limits[limit] = self[Setting(limit)] ?? 0 }
      return limits
    }

    public var json: JSONValue {
      var object = JSONObject()
      for setting in Setting.allCases {
        object[setting.rawValue] = self[setting].map { setting.json($0) } ?? .null
      }
      return .object(object)
    }

    /// Reads an answer; nil if a window is missing.
    public init?(_ json: JSONValue) {
      for setting in Setting.allCases {
        self[setting] = json[setting.rawValue].flatMap { try? setting.value(of: $0) }
      }
      guard Setting.windows.allSatisfy({ self[$0] != nil }) else { return nil }
    }
  }

  /// Body of `changeSettings`: absent members stay, null returns to the configuration.
  public struct LimitChange: Equatable, Sendable {
    public private(set) var changes: [Setting: MemberChange<Int64>] = [:]
    public var reason: String?

    public init() {}

    public init(body: [UInt8]) throws(Fault) {
      var reader = try BodyReader(body)
      for setting in Setting.allCases {
        self[setting] = try reader.change(setting.rawValue) { (json) throws(Fault) in
          try setting.value(of: json)
        }
      }
      reason = try reader.reason()
      try reader.finish()
    }

    public subscript(_ setting: Setting) -> MemberChange<Int64> {
      get { changes[setting] ?? .keep }
      set { changes[setting] = newValue == .keep ? nil : newValue }
    }

    /// What it sets, null for what it returns to the configuration.
    public var valuesJSON: JSONValue {
      .object(
        JSONObject(
          Setting.allCases.compactMap { setting in
            self[setting].json { setting.json($0) }.map { .init(setting.rawValue, $0) }
          }))
    }

    public var json: JSONValue {
      guard var object = valuesJSON.object else { return .null }
      object["reason"] = reason.map { .string($0) }
      return .object(object)
    }
  }
}
