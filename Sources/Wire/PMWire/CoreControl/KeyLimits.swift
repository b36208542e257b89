public import PMJSON

/// How much a key may use; nil is no limit of its own.
public struct KeyLimits: Equatable, Sendable {
  /// In the window over which all keys are counted.
  public var requests: Int?
  /// Prompt and output tokens in any 60 seconds.
  public var tokensPerMinute: Int64?
  public var concurrentRequests: Int?
  /// Nano-euro net of VAT in a day of UTC.
  public var dayBudget: Int64?
  /// Nano-euro net of VAT in a month of UTC.
  public var monthBudget: Int64?
  /// The share of a budget at which an alarm is raised; nil: 80.
  public var warningPercent: Int?

  public static let warningPercentDefault = 80

  public init() {}

  /// The limits by their names in requests and answers.
  public enum Member: String, CaseIterable, Sendable {
    case requests = "rate_limit"
    case tokensPerMinute = "tokens_per_minute"
    case concurrentRequests = "concurrent_requests"
    case dayBudget = "day_budget_eur"
    case monthBudget = "month_budget_eur"
    case warningPercent = "budget_warning_percent"

    public var isMoney: Bool { self == .dayBudget || self == .monthBudget }

    /// A billion tokens in a minute is far beyond what the vendor sells.
    private static let tokensPerMinuteMax: Int64 = 1_000_000_000
    /// As many requests as core has in hand at most.
    private static let concurrentRequestsMax: Int64 = 20_000
    /// No typing error passes for a budget.
    private static let budgetEuroMax: Int64 = 1_000_000

    /// What people may enter: euro for money, else the number itself.
    public var range: ClosedRange<Int64> {
      switch self {
      case .requests: RequestWindow.requestsRange
      case .tokensPerMinute: 1...Self.tokensPerMinuteMax
      case .concurrentRequests: 1...Self.concurrentRequestsMax
      case .dayBudget, .monthBudget: 0...Self.budgetEuroMax
      case .warningPercent: 1...100
      }
    }

    /// Reads what people typed: digits, for money with up to nine decimals. Nil if it is none, or
    /// out of range.
    public func value(of text: String) -> Int64? {
      let number = isMoney ? Euro.nanoEuro(text) : Int64(text)
      let unit = isMoney ? Euro.nano : 1
      guard text.utf8.first.map({ (0x30...0x39).contains($0) }) == true, let number,
        number >= range.lowerBound * unit, number <= range.upperBound * unit
      else { return nil }
      return number
    }

    func value(of json: JSONValue) throws(CoreControl.Fault) -> Int64 {
      let text: String
      switch json {
      case .integer(let number): text = String(number)
      case .decimal(let digits) where isMoney: text = digits
      case .string(let typed) where isMoney: text = typed
      default: throw CoreControl.Fault(rawValue, .wrongType)
      }
      guard let value = value(of: text) else {
        throw CoreControl.Fault(rawValue, .outOfRange(range))
      }
      return value
    }

    func json(_ value: Int64) -> JSONValue {
      isMoney ? .string(Euro.text(nanoEuro: value)) : .integer(value)
    }
    /// The same amount as a whole number of nano-euro.
    fileprivate var nanoEuroName: String? {
      isMoney ? "\(rawValue.dropLast("eur".utf8.count))nano_euro" : nil
    }
  }

  public subscript(_ member: Member) -> Int64? {
    get {
      switch member {
      case .requests: requests.map { Int64($0) }
      case .tokensPerMinute: tokensPerMinute
      case .concurrentRequests: concurrentRequests.map { Int64($0) }
      case .dayBudget: dayBudget
      case .monthBudget: monthBudget
      case .warningPercent: warningPercent.map { Int64($0) }
      }
    }
    set {
      switch member {
      case .requests: requests = newValue.map { Int($0) }
      case .tokensPerMinute: tokensPerMinute = newValue
      case .concurrentRequests: concurrentRequests = newValue.map { Int($0) }
      case .dayBudget: dayBudget = newValue
      case .monthBudget: monthBudget = newValue
      case .warningPercent: warningPercent = newValue.map { Int($0) }
      }
    }
  }

  /// Every limit, null where there is none; money as text of euro and as nano-euro.
  public var members: [JSONObject.Member] {
    Member.allCases.flatMap { member in
      let value = self[member]
      let amount = member.nanoEuroName.map {
        JSONObject.Member($0, value.map { .integer($0) } ?? .null)
      }
      return [JSONObject.Member(member.rawValue, value.map { member.json($0) } ?? .null)]
        + (amount.map { [$0] } ?? [])
    }
  }

  /// Reads the members of an answer; what is missing or of another form is no limit.
  init(members json: JSONValue) {
    for member in Member.allCases {
      self[member] = json[member.rawValue].flatMap { try? member.value(of: $0) }
    }
  }

  /// What becomes of each limit; those that are not named stay.
  public struct Change: Equatable, Sendable {
    private var changes: [Member: MemberChange<Int64>] = [:]

    public init() {}

    init(_ reader: inout BodyReader) throws(CoreControl.Fault) {
      for member in Member.allCases {
        self[member] = try reader.change(member.rawValue) { (json) throws(CoreControl.Fault) in
          try member.value(of: json)
        }
      }
    }

    public subscript(_ member: Member) -> MemberChange<Int64> {
      get { changes[member] ?? .keep }
      set { changes[member] = newValue == .keep ? nil : newValue }
    }

    public func applied(to limits: KeyLimits) -> KeyLimits {
      var limits = limits
      for member in Member.allCases { limits[member] = self[member].applied(to: limits[member]) }
      return limits
    }

    var members: [JSONObject.Member] {
      Member.allCases.compactMap { member in
        self[member].json { member.json($0) }.map { JSONObject.Member(member.rawValue, $0) }
      }
    }
  }
}
