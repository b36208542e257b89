internal import PMJSON
internal import PMWire

/// The periods of the usage page, by the predecessor's words.
enum Period: String, CaseIterable, Sendable {
  case today, yesterday, week, month, year, all

  /// What the menu shows.
  var label: String {
    switch self {
    case .today: "Today"
    case .yesterday: "Yesterday"
    case .week: "Last 7 Days"
    case .month: "Last 30 Days"
    case .year: "Last Year"
    case .all: "All Time"
    }
  }
}

/// Sums of the ledger over a period.
struct Usage: Equatable, Sendable {
  struct Row: Equatable, Sendable {
    var name: String
    var requests: Int64
    var tokens: Int64
    var costNanoEuro: Int64
  }

  var requests: Int64 = 0
  var tokens: Int64 = 0
  var costNanoEuro: Int64 = 0
  /// Requests whose model has no price; their cost is not in the sum.
  var unpriced: Int64 = 0
  /// Requests whose end nobody saw; they are charged by what was reserved.
  var unsettled: Int64 = 0
  var byKey: [Row] = []
  var byModel: [Row] = []
}

extension Usage {
  /// Reads core's answer; a missing sum is an error, for a page must not show 0 instead.
  init(_ json: JSONValue) throws(ControlError) {
    guard let requests = json["requests"]?.integer, let tokens = json["total_tokens"]?.integer,
      let cost = json["total_cost_nano_euro"]?.integer, let keys = json["by_key"]?.object,
      let models = json["by_model"]?.object
    else { throw .notUnderstood }
    (self.requests, self.tokens, costNanoEuro) = (requests, tokens, cost)
    unpriced = json["unpriced_requests"]?.integer ?? 0
    unsettled = json["unsettled_requests"]?.integer ?? 0
    byKey = try keys.members.map(Row.init)
    byModel = try models.members.map(Row.init)
  }
}

extension Usage.Row {
  fileprivate init(_ member: JSONObject.Member) throws(ControlError) {
    guard let requests = member.value["requests"]?.integer,
      let tokens = member.value["tokens"]?.integer,
      let cost = member.value["cost_nano_euro"]?.integer
    else { throw .notUnderstood }
    self.init(name: member.name, requests: requests, tokens: tokens, costNanoEuro: cost)
  }
}

extension Euro {
  private static let nanoDigits = 9

  /// For people: `€12.50`, with a fixed number of decimals, rounded half up.
  static func text(nanoEuro nano: Int64, decimals: Int) -> String {
    precondition((1...nanoDigits).contains(decimals), "a euro has nine decimals here")
    var unit: UInt64 = 1
    for _ in decimals..<nanoDigits { unit *= 10 }
    let (units, half) = nano.magnitude.quotientAndRemainder(dividingBy: unit)
    let rounded = units + (half * 2 >= unit ? 1 : 0)
    var digits = String(rounded)
    while digits.utf8.count <= decimals { digits = "0" + digits }
    let sign = nano < 0 && rounded > 0 ? "-" : ""
    return "\(sign)€\(digits.dropLast(decimals)).\(digits.suffix(decimals))"
  }
}
