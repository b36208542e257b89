public import PMJSON
public import PMSystem

extension CoreControl {
  /// What is paid: micro-euro per 1 000 000 tokens, per audio minute, or per 1 048 576 bytes, net
  /// of VAT. Nil is no price.
  public struct PriceTerms: Equatable, Sendable {
    public var input: Int64?
    public var output: Int64?
    /// Nil: cached tokens cost what fresh ones do.
    public var cached: Int64?
    public var perMinute: Int64?
    /// Never beside `perMinute`.
    public var perMegabyte: Int64?

    /// 1 000 000 euro for a million tokens: no typing error passes for a price.
    public static let range: ClosedRange<Int64> = 0...1_000_000_000_000

    private static let members: [(String, any WritableKeyPath<Self, Int64?> & Sendable)] = [
      ("input", \.input), ("output", \.output), ("cached", \.cached),
      ("per_minute", \.perMinute), ("per_mb", \.perMegabyte),
    ]

    public init() {}

    init(_ json: JSONValue) {
      for (name, member) in Self.members { self[keyPath: member] = json[name]?.integer }
    }

    init(_ reader: inout BodyReader) throws(Fault) {
      for (name, member) in Self.members {
        self[keyPath: member] = try reader.integer(name, Self.range)
      }
    }

    /// Fails with the member that cannot stand so.
    public func check() throws(Fault) {
      if perMinute != nil, perMegabyte != nil {
        throw Fault("per_mb", .excluded(by: "per_minute"))
      }
      // Without it the prompt would have no price, whatever else has one.
      if input == nil, cached != nil || output != nil || perMinute == nil && perMegabyte == nil {
        throw Fault("input", .missing)
      }
    }

    func write(to object: inout JSONObject) {
      for (name, member) in Self.members {
        object[name] = self[keyPath: member].map { .integer($0) } ?? .null
      }
    }
  }

  /// Body of `addPrice`: a row of standing `operator`.
  public struct NewPrice: Equatable, Sendable {
    public var model: String
    /// Nil: from now on.
    public var validFrom: WallTime?
    public var validTo: WallTime?
    public var terms = PriceTerms()
    public var source: String
    public var reason: String?

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
      terms = try PriceTerms(&reader)
      reason = try reader.reason()
      try reader.finish()
      try terms.check()
    }

    public var json: JSONValue {
      var object: JSONObject = ["model": .string(model), "source": .string(source)]
      object["valid_from"] = validFrom?.unixSeconds
      object["valid_to"] = validTo?.unixSeconds
      terms.write(to: &object)
      object["reason"] = reason.map { .string($0) }
      return .object(object)
    }
  }

  /// A row of the price table in answers.
  public struct PriceEntry: Equatable, Sendable {
    /// Number in the ledger; charges name it.
    public var row: Int64
    public var model: String
    public var validFrom: WallTime
    /// Nil: until a newer row takes over.
    public var validTo: WallTime?
    public var terms = PriceTerms()
    /// `predecessor`, `unconfirmed`, `confirmed` or `operator`.
    public var standing: String
    public var source: String
    /// Requests of this moment are charged by it.
    public var isInForce: Bool

    public init(
      row: Int64, model: String, validFrom: WallTime, standing: String, source: String,
      isInForce: Bool
    ) {
      (self.row, self.model, self.validFrom) = (row, model, validFrom)
      (self.standing, self.source, self.isInForce) = (standing, source, isInForce)
    }

    public init?(_ json: JSONValue) {
      guard let row = json["price"]?.integer, let model = json["model"]?.string,
        let validFrom = json["valid_from"].flatMap({ WallTime(json: $0) }),
        let standing = json["standing"]?.string, let source = json["source"]?.string,
        let isInForce = json["in_force"]?.boolean
      else { return nil }
      self.init(
        row: row, model: model, validFrom: validFrom, standing: standing, source: source,
        isInForce: isInForce)
      validTo = json["valid_to"].flatMap { WallTime(json: $0) }
      terms = PriceTerms(json)
    }

    public var json: JSONValue {
      var object: JSONObject = ["price": .integer(row), "model": .string(model)]
      object["valid_from"] = .string(validFrom.civil.rfc3339)
      object["valid_to"] = validTo.map { .string($0.civil.rfc3339) } ?? .null
      terms.write(to: &object)
      object["standing"] = .string(standing)
      object["source"] = .string(source)
      object["in_force"] = .bool(isInForce)
      return .object(object)
    }
  }

  /// Answer to `listPrices`: every row that ever was, by model and time.
  public struct PriceList: Equatable, Sendable {
    public var prices: [PriceEntry]
    /// Counts the tables that there were; each charge names the one that it was made by.
    public var table: Int64
    /// SHA-256 of the table's rows, in hexadecimal digits.
    public var digest: String

    public init(prices: [PriceEntry], table: Int64, digest: String) {
      (self.prices, self.table, self.digest) = (prices, table, digest)
    }

    public init?(_ json: JSONValue) {
      guard let list = json["prices"]?.array, let table = json["table"]?.integer,
        let digest = json["digest"]?.string
      else { return nil }
      prices = list.compactMap { PriceEntry($0) }
      guard prices.count == list.count else { return nil }
      (self.table, self.digest) = (table, digest)
    }

    /// What is charged by now, or will be from a later time on.
    public func current(at time: WallTime) -> [PriceEntry] {
      prices.filter { $0.isInForce || $0.validFrom > time }
    }

    public var json: JSONValue {
      [
        "prices": .array(prices.map(\.json)), "table": .integer(table),
        "digest": .string(digest),
      ]
    }
  }
}

extension Euro {
  private static let nanoPerMicro: Int64 = 1000

  /// Reads euro with up to six decimals; nil for anything else.
  public static func microEuro(_ text: String) -> Int64? {
    guard let nano = nanoEuro(text), nano % nanoPerMicro == 0 else { return nil }
    return nano / nanoPerMicro
  }

  /// Exact, with at least two decimals.
  public static func text(microEuro: Int64) -> String {
    // No price is so high that this does not fit.
    text(nanoEuro: microEuro.multipliedReportingOverflow(by: nanoPerMicro).partialValue)
  }
}
