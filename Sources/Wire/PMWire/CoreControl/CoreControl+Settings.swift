public import PMJSON
public import PMSystem

extension CoreControl {
  /// Body and answer of the settings: the four limits by the predecessor's names.
  public struct LimitSettings: Equatable, Sendable {
    public var globalRequests: Int64
    public var globalSeconds: Int64
    public var addressRequests: Int64
    public var addressSeconds: Int64

    public init(_ limits: RequestLimits) {
      globalRequests = Int64(limits.global.requests)
      globalSeconds = Int64(limits.global.seconds)
      addressRequests = Int64(limits.address.requests)
      addressSeconds = Int64(limits.address.seconds)
    }

    public var global: RequestWindow {
      RequestWindow(requests: Int(globalRequests), seconds: Int(globalSeconds))
    }
    public var address: RequestWindow {
      RequestWindow(requests: Int(addressRequests), seconds: Int(addressSeconds))
    }

    public var json: JSONValue {
      [
        "rate_limit_requests": .integer(globalRequests),
        "rate_limit_window": .integer(globalSeconds),
        "ip_rate_limit_requests": .integer(addressRequests),
        "ip_rate_limit_window": .integer(addressSeconds),
      ]
    }

    public init?(_ json: JSONValue) {
      guard let globalRequests = json["rate_limit_requests"]?.integer,
        let globalSeconds = json["rate_limit_window"]?.integer,
        let addressRequests = json["ip_rate_limit_requests"]?.integer,
        let addressSeconds = json["ip_rate_limit_window"]?.integer
      else { return nil }
      (self.globalRequests, self.globalSeconds) = (globalRequests, globalSeconds)
      (self.addressRequests, self.addressSeconds) = (addressRequests, addressSeconds)
    }
  }

  /// Body of `changeSettings`: absent members stay, null returns to the configuration.
  public struct LimitChange: Equatable, Sendable {
    public var globalRequests = MemberChange<Int64>.keep
    public var globalSeconds = MemberChange<Int64>.keep
    public var addressRequests = MemberChange<Int64>.keep
    public var addressSeconds = MemberChange<Int64>.keep
    public var reason: String?

    public init() {}

    public init(body: [UInt8]) throws(Fault) {
      var reader = try BodyReader(body)
      let (requests, seconds) = (RequestWindow.requestsRange, RequestWindow.secondsRange)
      globalRequests = try reader.integerChange("rate_limit_requests", requests)
      globalSeconds = try reader.integerChange("rate_limit_window", seconds)
      addressRequests = try reader.integerChange("ip_rate_limit_requests", requests)
      addressSeconds = try reader.integerChange("ip_rate_limit_window", seconds)
      reason = try reader.reason()
      try reader.finish()
    }

    public var json: JSONValue {
      var object = JSONObject()
      object["rate_limit_requests"] = globalRequests.json { .integer($0) }
      object["rate_limit_window"] = globalSeconds.json { .integer($0) }
      object["ip_rate_limit_requests"] = addressRequests.json { .integer($0) }
      object["ip_rate_limit_window"] = addressSeconds.json { .integer($0) }
      object["reason"] = reason.map { .string($0) }
      return .object(object)
    }
  }

  /// Body of `addPrice`: a row of standing `operator`. Micro-euro per 1 000 000 tokens, per audio
  /// minute, or per 1 048 576 bytes, net of VAT.
  public struct NewPrice: Equatable, Sendable {
    public var model: String
    /// Nil: from now on.
    public var validFrom: WallTime?
    public var validTo: WallTime?
    public var input: Int64?
    public var output: Int64?
    public var cached: Int64?
    public var perMinute: Int64?
    public var perMegabyte: Int64?
    public var source: String
    public var reason: String?

    /// 1 000 000 euro for a million tokens: no typing error passes for a price.
    public static let priceRange: ClosedRange<Int64> = 0...1_000_000_000_000
    static let modelCharactersMax = 128
    static let sourceCharactersMax = 256

    public init(model: String, source: String) { (self.model, self.source) = (model, source) }

    public init(body: [UInt8]) throws(Fault) {
      var reader = try BodyReader(body)
      guard let model = try reader.text("model", charactersMax: Self.modelCharactersMax) else {
        throw Fault("model", .missing)
      }
      self.model = model
      source = try reader.text("source", charactersMax: Self.sourceCharactersMax) ?? ""
      validFrom = try reader.timeChange("valid_from").applied(to: nil)
      validTo = try reader.timeChange("valid_to").applied(to: nil)
      input = try reader.integer("input", Self.priceRange)
      output = try reader.integer("output", Self.priceRange)
      cached = try reader.integer("cached", Self.priceRange)
      perMinute = try reader.integer("per_minute", Self.priceRange)
      perMegabyte = try reader.integer("per_mb", Self.priceRange)
      reason = try reader.reason()
      try reader.finish()
      if perMinute != nil, perMegabyte != nil { throw Fault("per_mb", .unknown) }
      if input == nil, output == nil, perMinute == nil, perMegabyte == nil {
        throw Fault("input", .missing)
      }
    }

    public var json: JSONValue {
      var object: JSONObject = ["model": .string(model), "source": .string(source)]
      object["valid_from"] = validFrom?.unixSeconds
      object["valid_to"] = validTo?.unixSeconds
      object["input"] = input.map { .integer($0) }
      object["output"] = output.map { .integer($0) }
      object["cached"] = cached.map { .integer($0) }
      object["per_minute"] = perMinute.map { .integer($0) }
      object["per_mb"] = perMegabyte.map { .integer($0) }
      object["reason"] = reason.map { .string($0) }
      return .object(object)
    }
  }
}
