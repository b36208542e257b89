internal import PMWire

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
    fileprivate var setting: CoreControl.Setting {
      switch self {
      case .requests: .globalRequests
      case .windowSeconds: .globalSeconds
      case .addressRequests: .addressRequests
      case .addressWindowSeconds: .addressSeconds
      }
    }
  }

  var typed: [Field: String] = [:]
  var faults: [Field: String] = [:]
  private(set) var limits: CoreControl.LimitSettings?

  /// The form as it shows `limits`, or empty.
  init(showing limits: CoreControl.LimitSettings?) {
    self.limits = limits
    for field in Field.allCases { typed[field] = limits?[field.setting].map { String($0) } }
  }

  /// What was typed over `present`; an absent field keeps its value.
  init(_ form: Form, over present: CoreControl.LimitSettings) {
    self.init(showing: present)
    var changed = present
    for field in Field.allCases {
      guard let text = form.text(field.rawValue) else { continue }
      typed[field] = text
      if let number = WholeNumber.read(text, in: field.range) {
        changed[field.setting] = number
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
