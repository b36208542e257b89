public import PMJSON

/// What the gate demands of the machine.
public struct Attestation: Equatable, Sendable {
  /// The machines that the gate knows.
  public enum Platform: String, CaseIterable, Sendable {
    case snp
    case azure = "azure-snp-vtpm"
  }

  /// Which table of floors the firmware is held against.
  public enum Profile: String, CaseIterable, Sendable { case baseline, strict }

  /// Where certificates come from that the machine does not bring.
  public enum Collateral: String, CaseIterable, Sendable {
    case fetch
    /// The certificate table and the cache only.
    case offline
  }

  /// What kind of machine this is; without it the gate of production stays shut.
  public var platform: Platform?
  public var profile = Profile.baseline
  /// Azure: who may have signed the paravisor, 96 hexadecimal digits each; nil for what is shipped.
  public var idKeys: [String]?
  /// Allowed launch measurements, 96 hexadecimal digits each; empty for any.
  public var measurements: [String] = []
  /// Rows that replace floors of the profile, by `product/model/stepping`.
  public var minTCB: [String: [String: Int64]] = [:]
  public var collateral = Collateral.fetch

  public init() {}

  /// Hexadecimal digits of a SHA-384.
  private static let digestDigits = 96

  init(_ members: MemberReader) throws(ConfigurationError) {
    var members = members
    platform = try members.word("platform", Platform.self)
    profile = try members.word("profile", Profile.self) ?? profile
    idKeys = try Self.digests("idKeys", &members)
    measurements = try Self.digests("measurements", &members) ?? measurements
    minTCB = try members.tables("minTCB", 0...255)
    collateral = try members.word("collateral", Collateral.self) ?? collateral
    try members.finish()
  }

  private static func digests(
    _ name: String, _ members: inout MemberReader
  ) throws(ConfigurationError) -> [String]? {
    guard let texts = try members.strings(name) else { return nil }
    for text in texts {
      let isDigest =
        text.utf8.count == digestDigits
        && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
      guard isDigest else {
        throw ConfigurationError(
          members.name(name), .wrongType("texts of 96 lower-case hexadecimal digits"))
      }
    }
    return texts
  }

  /// As in `appliance.json`; what the appraising role is told of the configuration.
  public var json: JSONObject {
    var object: JSONObject = [
      "profile": .string(profile.rawValue),
      "measurements": .array(measurements.map { .string($0) }),
      "collateral": .string(collateral.rawValue),
    ]
    object["platform"] = platform.map { .string($0.rawValue) }
    object["idKeys"] = idKeys.map { .array($0.map { .string($0) }) }
    if !minTCB.isEmpty {
      var rows = JSONObject()
      for (name, row) in minTCB.sorted(by: { $0.key < $1.key }) {
        var floor = JSONObject()
        for (component, value) in row.sorted(by: { $0.key < $1.key }) {
          floor[component] = .integer(value)
        }
        rows[name] = .object(floor)
      }
      object["minTCB"] = .object(rows)
    }
    return object
  }

  /// Reads what `json` wrote.
  public init(json: JSONValue) throws(ConfigurationError) {
    try self.init(try MemberReader(json, path: "attestation"))
  }
}
