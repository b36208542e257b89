/// How the vendor's binary is run.
public struct Vendor: Equatable, Sendable {
  /// Certificate revocation of the vendor's GPUs.
  public enum OCSP: String, CaseIterable, Sendable { case tolerant, strict }

  /// Nil in development: the stand-in beside `pmctl` is used, and said so.
  public var binary: String?
  /// Lower-case hexadecimal digest that the binary must have.
  public var sha256: String?
  public var apiKeyFile: String?
  public var port: UInt16 = 8081
  /// Nil: `vendor` in the state directory.
  public var workspace: String?
  public var manifestPath: String?
  public var nvidiaOCSP = OCSP.tolerant
  /// Names from `environmentNames` only.
  public var environment: [String: String] = [:]
  public var startDeadlineSeconds = 120
  public var drainSeconds = 30
  /// Shared by all keys.
  public var limits = VendorLimits()

  public init() {}

  /// What may be set for the vendor's binary.
  public static let environmentNames: Set<String> = [
    "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "GOMEMLIMIT", "GOMAXPROCS", "TMPDIR",
  ]
  /// Read by the stand-in, and refused in production.
  public static let standInEnvironmentNames: Set<String> = [
    "PM_STANDIN_SCENARIO", "PM_STANDIN_CONTROL",
  ]

  init(_ members: MemberReader, profile: Profile) throws(ConfigurationError) {
    var members = members
    binary = try members.path("binary")
    if let digest = try members.string("sha256") {
      guard digest.utf8.count == 64, digest.utf8.allSatisfy(Self.isLowerHex) else {
        throw ConfigurationError(
          members.name("sha256"), .wrongType("64 lower-case hexadecimal digits"))
      }
      sha256 = digest
    }
    apiKeyFile = try members.path("apiKeyFile")
    port = UInt16(try members.integer("port", 1...65_535) ?? Int64(port))
    workspace = try members.path("workspace")
    manifestPath = try members.path("manifestPath")
    nvidiaOCSP = try members.word("nvidiaOcsp", OCSP.self) ?? nvidiaOCSP
    environment = try members.dictionary("environment")
    for name in environment.keys.sorted() where !Self.environmentNames.contains(name) {
      let member = members.name("environment.\(name)")
      guard Self.standInEnvironmentNames.contains(name) else {
        throw ConfigurationError(member, .unknown)
      }
      guard profile == .development else {
        throw ConfigurationError(member, .notAllowedInProduction)
      }
    }
    let start = try members.integer("startDeadlineSeconds", 1...3600)
    startDeadlineSeconds = Int(start ?? Int64(startDeadlineSeconds))
    drainSeconds = Int(try members.integer("drainSeconds", 0...3600) ?? Int64(drainSeconds))
    limits = try VendorLimits(try members.object("limits"))
    try members.finish()
  }

  private static func isLowerHex(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
  }
}
