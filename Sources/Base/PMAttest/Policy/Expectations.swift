internal import PMCrypto
public import PMJSON

/// Why a file of expectations is not one. An expectation that is not understood is never left out.
public enum ExpectationError: Error, Equatable, Sendable {
  case unknownMember
  /// The value of this member has a wrong form.
  case value(Expectations.Member)
}

/// What a client knows beforehand of the machine it wants to talk to: allow lists, each of which is
/// no restriction while it is empty.
public struct Expectations: Equatable, Sendable {
  /// SHA-384 of the guest at launch.
  public var measurements: [[UInt8]] = []
  /// SHA-384 of the paravisor's signer; replaces the list of the rules.
  public var idKeys: [[UInt8]] = []
  /// SHA-256 values that a PCR may have, by its number.
  public var pcrs: [Int: [[UInt8]]] = [:]
  /// Identifiers of chips: 64 bytes, on Turin also the 8 that count.
  public var chips: [[UInt8]] = []
  /// Providers as their VLEK names them.
  public var providers: [String] = []
  /// What the claims must contain, object within object; other members do not matter.
  public var claims = JSONObject()

  public init() {}

  /// The members of a file.
  public enum Member: String, CaseIterable, Sendable {
    case measurements, idKeys, pcrs, chips, csps, claims
  }

  private static let digestBytes = 48
  private static let chipBytes = [8, 64]

  /// Reads what is published for a release: `{"measurements": [hex], "idKeys": [hex],
  /// "pcrs": {"4": [hex]}, "chips": [hex], "csps": [text], "claims": {…}}`, all of it optional.
  public init(json object: JSONObject) throws(ExpectationError) {
    for entry in object.members {
      guard let member = Member(rawValue: entry.name) else { throw .unknownMember }
      guard take(member, entry.value) else { throw .value(member) }
    }
  }

  /// False if the value has not the form of the member.
  private mutating func take(_ member: Member, _ value: JSONValue) -> Bool {
    switch member {
    case .measurements: Self.set(&measurements, Self.digests(value, [Self.digestBytes]))
    case .idKeys: Self.set(&idKeys, Self.digests(value, [Self.digestBytes]))
    case .chips: Self.set(&chips, Self.digests(value, Self.chipBytes))
    case .pcrs: Self.set(&pcrs, Self.pcrs(value))
    case .csps: Self.set(&providers, Self.list(value, \.string))
    case .claims: Self.set(&claims, value.object)
    }
  }

  private static func set<Value>(_ target: inout Value, _ value: Value?) -> Bool {
    guard let value else { return false }
    target = value
    return true
  }

  /// Nil if one of the items is nil.
  private static func list<Item>(_ value: JSONValue, _ item: (JSONValue) -> Item?) -> [Item]? {
    guard let values = value.array else { return nil }
    let items = values.compactMap(item)
    return items.count == values.count ? items : nil
  }

  private static func digests(_ value: JSONValue, _ lengths: [Int]) -> [[UInt8]]? {
    list(value) { item in
      item.string.flatMap(Hex.bytes).flatMap { lengths.contains($0.count) ? $0 : nil }
    }
  }

  private static func pcrs(_ value: JSONValue) -> [Int: [[UInt8]]]? {
    guard let object = value.object else { return nil }
    var pcrs: [Int: [[UInt8]]] = [:]
    for entry in object.members {
      guard let number = Int(entry.name), String(number) == entry.name,
        (0..<Quote.pcrCount).contains(number), let values = digests(entry.value, [Quote.pcrBytes])
      else { return nil }
      pcrs[number] = values
    }
    return pcrs
  }
}

extension JSONValue {
  /// True if this is `expected`, or an object that has each of its members in this sense.
  func contains(_ expected: JSONValue) -> Bool {
    guard let members = expected.object?.members, object != nil else { return self == expected }
    return members.allSatisfy { member in
      self[member.name].map { $0.contains(member.value) } ?? false
    }
  }
}
