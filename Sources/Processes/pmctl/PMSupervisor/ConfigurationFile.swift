internal import PMCrypto
internal import PMSystem
public import PMWire

/// The configuration as `pmctl` has it: the file, and the predecessor's environment variables.
public struct ConfigurationFile: Sendable {
  public static let defaultPath = "/etc/privatemode/appliance.json"

  public let configuration: Configuration
  let secrets: EnvironmentSecrets
  /// SHA-256 of the file's bytes.
  let digest: Digest256

  /// Variables that the predecessor read; see `Configuration.merge`.
  private static let environmentNames = [
    "API_KEYS", "API_KEYS_FILE", "ADMIN_PASSWORD", "PRIVATEMODE_API_KEY", "TLS_CERT_FILE",
    "TLS_KEY_FILE", "PORT", "RATE_LIMIT_REQUESTS", "RATE_LIMIT_WINDOW", "IP_RATE_LIMIT_REQUESTS",
    "IP_RATE_LIMIT_WINDOW", "TRUST_PROXY", "FORCE_HTTPS", "UPSTREAM_URL",
  ]

  /// Reads and checks all of it; nothing is changed by reading.
  public init(_ path: String) throws(ConfigurationError) {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try FileIO.read(path, bytesMax: RuntimeLimits.configurationBytesMax)
    } catch {
      throw ConfigurationError("configuration", .unreadable(errno: error.number))
    }
    var configuration = try Configuration.read(bytes)
    secrets = try configuration.merge(
      environment: Environment.values(Self.environmentNames), file: configuration)
    try configuration.validate()
    self.configuration = configuration
    digest = Digest256(hashing: bytes.span)
  }
}
