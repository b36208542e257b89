/// So many requests in so many seconds, in a sliding window.
public struct RequestWindow: Equatable, Sendable {
  public var requests: Int
  public var seconds: Int

  public init(requests: Int, seconds: Int) { (self.requests, self.seconds) = (requests, seconds) }

  /// Bounds of every request limit, whoever sets it.
  public static let requestsRange: ClosedRange<Int64> = 1...1_000_000_000
  public static let secondsRange: ClosedRange<Int64> = 1...86_400

  init(_ members: MemberReader, default window: RequestWindow) throws(ConfigurationError) {
    var members = members
    requests = Int(
      try members.integer("requests", Self.requestsRange) ?? Int64(window.requests))
    seconds = Int(
      try members.integer("windowSeconds", Self.secondsRange) ?? Int64(window.seconds))
    try members.finish()
  }
}

/// Limits on requests, their sizes and what they cost; the defaults of the windows are the
/// predecessor's.
public struct RequestLimits: Equatable, Sendable {
  public var global = RequestWindow(requests: 100, seconds: 60)
  public var address = RequestWindow(requests: 1000, seconds: 60)
  /// Limits of all keys together besides `global`; none by default.
  public var allKeys = KeyLimits()
  /// Refuse requests whose model has no price, whoever asks.
  public var refusesUnpriced = false
  /// JSON bodies; the vendor takes up to 48 MiB.
  public var jsonBodyBytesMax = 16 << 20
  /// Multipart bodies of audio; the vendor's own limit.
  public var audioBodyBytesMax = 50 << 20

  public init() {}

  static let allKeysMembers: [(limit: KeyLimits.Member, name: String)] = [
    (.tokensPerMinute, "tokensPerMinute"), (.concurrentRequests, "concurrentRequests"),
    (.dayBudget, "dayBudgetEuro"), (.monthBudget, "monthBudgetEuro"),
    (.warningPercent, "budgetWarningPercent"),
  ]

  init(_ members: MemberReader) throws(ConfigurationError) {
    var members = members
    global = try RequestWindow(try members.object("global"), default: global)
    address = try RequestWindow(try members.object("address"), default: address)
    for (limit, member) in Self.allKeysMembers {
      allKeys[limit] = try members.limit(member, limit)
    }
    refusesUnpriced = try members.boolean("refuseUnpriced") ?? refusesUnpriced
    let json = try members.integer("jsonBodyBytesMax", 1024...50_331_648)
    jsonBodyBytesMax = Int(json ?? Int64(jsonBodyBytesMax))
    let audio = try members.integer("audioBodyBytesMax", 1024...134_217_728)
    audioBodyBytesMax = Int(audio ?? Int64(audioBodyBytesMax))
    try members.finish()
  }
}
