internal import PMWire

/// The form that makes a key: reads what was typed, or says beside which field it is wrong.
struct KeyWishForm {
  enum Field: String, CaseIterable, Hashable {
    case description
    case days = "expires_days"
    case rateLimit = "rate_limit"
  }

  var typed: [Field: String] = [:]
  var faults: [Field: String] = [:]
  /// Nil if there are faults.
  private(set) var wish: CoreControl.NewKey?

  init(_ form: Form) {
    for field in Field.allCases { typed[field] = form.text(field.rawValue) ?? "" }
    var wish = CoreControl.NewKey()
    wish.description = typed[.description] ?? ""
    let isPlain = wish.description.unicodeScalars.allSatisfy {
      $0.value >= 0x20 && $0.value != 0x7F
    }
    if !isPlain || wish.description.count > CoreControl.descriptionCharactersMax {
      faults[.description] =
        "At most \(CoreControl.descriptionCharactersMax) characters, on one line."
    }
    wish.expiresDays = number(.days, CoreControl.daysRange)
    if let limit = number(.rateLimit, RequestWindow.requestsRange) {
      wish.limits[.requests] = .set(limit)
    }
    if faults.isEmpty { self.wish = wish }
  }

  /// Nil for an empty field, and for a wrong one, whose fault is noted.
  private mutating func number(_ field: Field, _ range: ClosedRange<Int64>) -> Int64? {
    guard let text = typed[field], !text.isEmpty else { return nil }
    let number = WholeNumber.read(text, in: range)
    if number == nil { faults[field] = WholeNumber.demand(range) }
    return number
  }
}

/// The form of the request limits. All fields are right, or nothing is saved.
struct LimitsForm {
  enum Field: String, CaseIterable, Hashable {
    case requests = "rate_limit_requests"
    case windowSeconds = "rate_limit_window"
    case addressRequests = "ip_rate_limit_requests"
    case addressWindowSeconds = "ip_rate_limit_window"

    var label: String {
      switch self {
      case .requests: "Global limit (requests)"
      case .windowSeconds: "Global window (s)"
      case .addressRequests: "Address limit (requests)"
      case .addressWindowSeconds: "Address window (s)"
      }
    }
    var range: ClosedRange<Int64> {
      switch self {
      case .requests, .addressRequests: RequestWindow.requestsRange
      case .windowSeconds, .addressWindowSeconds: RequestWindow.secondsRange
      }
    }
    fileprivate var member: WritableKeyPath<CoreControl.LimitSettings, Int64> {
      switch self {
      case .requests: \.globalRequests
      case .windowSeconds: \.globalSeconds
      case .addressRequests: \.addressRequests
      case .addressWindowSeconds: \.addressSeconds
      }
    }
  }

  var typed: [Field: String] = [:]
  var faults: [Field: String] = [:]
  private(set) var limits: CoreControl.LimitSettings?

  /// The form as it shows `limits`, or empty.
  init(showing limits: CoreControl.LimitSettings?) {
    self.limits = limits
    for field in Field.allCases { typed[field] = limits.map { String($0[keyPath: field.member]) } }
  }

  /// What was typed over `present`; an absent field keeps its value.
  init(_ form: Form, over present: CoreControl.LimitSettings) {
    self.init(showing: present)
    var changed = present
    for field in Field.allCases {
      guard let text = form.text(field.rawValue) else { continue }
      typed[field] = text
      if let number = WholeNumber.read(text, in: field.range) {
        changed[keyPath: field.member] = number
      } else {
        faults[field] = WholeNumber.demand(field.range)
      }
    }
    limits = faults.isEmpty ? changed : nil
  }
}

/// Decimal digits without a sign.
enum WholeNumber {
  static func read(_ text: String, in range: ClosedRange<Int64>) -> Int64? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int64(text) else {
      return nil
    }
    return range.contains(number) ? number : nil
  }

  static func demand(_ range: ClosedRange<Int64>) -> String {
    "A whole number from \(range.lowerBound) to \(range.upperBound)."
  }
}
