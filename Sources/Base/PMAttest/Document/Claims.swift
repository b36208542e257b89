public import PMCrypto
public import PMJSON

/// What the software of a machine says of itself. As strong as the proof of which software runs,
/// and no stronger.
public struct Claims: Equatable, Sendable {
  /// `{}` is shorter than any claim; what pmctl writes has about 900 bytes.
  public static let bytesRange = 2...8192
  static let version: Int64 = 1

  /// As they are sent, and as the evidence binds them.
  public let bytes: [UInt8]
  public let object: JSONObject

  /// Reads the claims of a document about `platform`; members that nobody knows stay in `object`.
  public init(_ bytes: [UInt8], platform: Platform) throws(FailureToken) {
    guard Self.bytesRange.contains(bytes.count),
      let object = (try? JSONReader.read(bytes))?.object,
      object["v"]?.integer == Self.version,
      object["platform"].map({ $0.string == platform.rawValue }) ?? true
    else { throw .claims }
    (self.bytes, self.object) = (bytes, object)
  }

  /// True if the operator brought the TLS key, so that it has existed outside this machine.
  public var isKeyProvided: Bool { object["key_origin"]?.string == KeyOrigin.provided.rawValue }

  /// Where the TLS key comes from.
  public enum KeyOrigin: String, Sendable {
    /// Made in this guest, and never outside it.
    case generated
    /// The operator's own.
    case provided
  }

  /// What pmctl knows of its machine when it writes its claims.
  public struct Statement: Sendable {
    public var version: String
    public var platform: Platform
    /// The public name that is configured.
    public var host: String
    /// 32 lower-case digits.
    public var bootID: String
    public var keyOrigin: KeyOrigin
    /// Digests of the files that are executed, by name of the program.
    public var binaries: [String: Digest256]
    public var vendor: [String: Digest256]
    /// Digest of the configuration file.
    public var configuration: Digest256

    public init(
      version: String, platform: Platform, host: String, bootID: String, keyOrigin: KeyOrigin,
      binaries: [String: Digest256], vendor: [String: Digest256], configuration: Digest256
    ) {
      (self.version, self.platform, self.host) = (version, platform, host)
      (self.bootID, self.keyOrigin, self.binaries) = (bootID, keyOrigin, binaries)
      (self.vendor, self.configuration) = (vendor, configuration)
    }
  }

  /// Writes claims: members sorted by name, no blanks. Nil if they are longer than a document may
  /// carry.
  public init?(_ statement: Statement) {
    object = Self.sorted([
      "v": .integer(Self.version),
      "product": "pmctl",
      "version": .string(statement.version),
      "profile": "production",
      "platform": .string(statement.platform.rawValue),
      "host": .string(statement.host),
      "boot_id": .string(statement.bootID),
      "key_origin": .string(statement.keyOrigin.rawValue),
      "binaries": .object(Self.digests(statement.binaries)),
      "vendor": .object(Self.digests(statement.vendor)),
      "config_sha256": .string(statement.configuration.hex),
      // Reserved: a head that moves cannot be in data that is bound once for each gate.
      "heads": ["audit": nil, "ledger": nil],
    ])
    bytes = JSONValue.object(object).utf8
    guard Self.bytesRange.contains(bytes.count) else { return nil }
  }

  private static func digests(_ digests: [String: Digest256]) -> JSONObject {
    sorted(JSONObject(digests.map { JSONObject.Member($0.key, .string($0.value.hex)) }))
  }

  private static func sorted(_ object: JSONObject) -> JSONObject {
    JSONObject(object.members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) })
  }
}
