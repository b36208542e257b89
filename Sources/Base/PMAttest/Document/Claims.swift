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
    /// What core tells of its accounts; nil if it told nothing.
    public var accounts: AccountClaims?

    public init(
      version: String, platform: Platform, host: String, bootID: String, keyOrigin: KeyOrigin,
      binaries: [String: Digest256], vendor: [String: Digest256], configuration: Digest256,
      accounts: AccountClaims? = nil
    ) {
      (self.version, self.platform, self.host) = (version, platform, host)
      (self.bootID, self.keyOrigin, self.binaries) = (bootID, keyOrigin, binaries)
      (self.vendor, self.configuration) = (vendor, configuration)
      self.accounts = accounts
    }
  }

  /// Writes claims: members sorted by name, no blanks. Nil if they are longer than a document may
  /// carry.
  public init?(_ statement: Statement) {
    var members: JSONObject = [
      "v": .integer(Self.version),
      "product": "pmctl",
      "version": .string(statement.version),
      "profile": "production",
      "platform": .string(statement.platform.rawValue),
      "host": .string(statement.host),
      "boot_id": .string(statement.bootID),
      "key_origin": .string(statement.keyOrigin.rawValue),
      "binaries": Self.digests(statement.binaries),
      "vendor": Self.digests(statement.vendor),
      "config_sha256": .string(statement.configuration.hex),
      // As they were when the gate ran: claims are bound once for each run of it.
      "heads": statement.accounts?.heads?.json ?? AccountClaims.noHeads,
    ]
    members["receipt_key"] = statement.accounts.map { .string($0.receiptKey.hex) }
    object = members.canonical
    bytes = JSONValue.object(object).utf8
    guard Self.bytesRange.contains(bytes.count) else { return nil }
  }

  /// What core told; nil if it told nothing, or nothing that is understood.
  public var accounts: AccountClaims? { AccountClaims(object) }

  private static func digests(_ digests: [String: Digest256]) -> JSONValue {
    .object(JSONObject(digests.map { JSONObject.Member($0.key, .string($0.value.hex)) }))
  }
}
