/// Secrets that came by the environment; they go to credential files and nowhere else.
public struct EnvironmentSecrets: Equatable, Sendable {
  public var vendorKey: String?
  public var adminPassword: String?
  /// Comma-separated plaintext keys, as the predecessor read them.
  public var keys: String?
  public init() {}
}

extension Configuration {
  /// Takes in the predecessor's environment variables. A variable
  /// that gives another value than `file` has set is an error.
  public mutating func merge(
    environment: [String: String], file: Configuration
  ) throws(ConfigurationError) -> EnvironmentSecrets {
    let defaults = Configuration(profile: file.profile)
    let merge = EnvironmentMerge(environment: environment)
    try merge.path("API_KEYS_FILE", &keysFile, default: defaults.keysFile)
    try merge.path("TLS_CERT_FILE", &tls.certificate, default: nil)
    try merge.path("TLS_KEY_FILE", &tls.key, default: nil)
    try merge.port("PORT", &listen.https, default: defaults.listen.https)
    try merge.integer(
      "RATE_LIMIT_REQUESTS", &limits.global.requests, default: defaults.limits.global.requests,
      RequestWindow.requestsRange)
    try merge.integer(
      "RATE_LIMIT_WINDOW", &limits.global.seconds, default: defaults.limits.global.seconds,
      RequestWindow.secondsRange)
    try merge.integer(
      "IP_RATE_LIMIT_REQUESTS", &limits.address.requests,
      default: defaults.limits.address.requests, RequestWindow.requestsRange)
    try merge.integer(
      "IP_RATE_LIMIT_WINDOW", &limits.address.seconds, default: defaults.limits.address.seconds,
      RequestWindow.secondsRange)
    if try merge.boolean("TRUST_PROXY") == true, edge.trustedProxies.isEmpty {
      throw ConfigurationError("TRUST_PROXY", .onlyTogetherWith("edge.trustedProxies"))
    }
    if try merge.boolean("FORCE_HTTPS") == false, profile == .production {
      throw ConfigurationError("FORCE_HTTPS", .notAllowedInProduction)
    }
    try merge.upstream("UPSTREAM_URL", &vendor.port, default: defaults.vendor.port)
    // Named and left empty, it would be missed only when the vendor's program starts.
    if environment["PRIVATEMODE_API_KEY"] == "" {
      throw ConfigurationError("PRIVATEMODE_API_KEY", .missing)
    }
    var secrets = EnvironmentSecrets()
    secrets.vendorKey = try merge.secret("PRIVATEMODE_API_KEY")
    secrets.adminPassword = try merge.secret("ADMIN_PASSWORD")
    secrets.keys = try merge.secret("API_KEYS")
    return secrets
  }

  private init(profile: Profile) {
    self.init()
    self.profile = profile
    if profile == .development { listen = Listen(https: 8443, http: 8080, loopbackOnly: true) }
  }
}

private struct EnvironmentMerge {
  let environment: [String: String]

  private func set<Value: Equatable>(
    _ name: String, _ member: inout Value, to value: Value, default: Value
  ) throws(ConfigurationError) {
    guard member == `default` || member == value else { throw ConfigurationError(name, .setTwice) }
    member = value
  }

  private func text(_ name: String) -> String? {
    guard let text = environment[name], !text.isEmpty else { return nil }
    return text
  }

  func path(_ name: String, _ member: inout String?, default: String?) throws(ConfigurationError) {
    guard let text = text(name) else { return }
    guard text.hasPrefix("/") else { throw ConfigurationError(name, .notAbsolute) }
    try set(name, &member, to: text, default: `default`)
  }

  func integer(
    _ name: String, _ member: inout Int, default: Int, _ range: ClosedRange<Int64>
  ) throws(ConfigurationError) {
    guard let text = text(name) else { return }
    guard let number = Int64(text), !text.hasPrefix("+") else {
      throw ConfigurationError(name, .wrongType("an integer"))
    }
    guard range.contains(number) else {
      throw ConfigurationError(name, .outOfRange(range.lowerBound, range.upperBound))
    }
    try set(name, &member, to: Int(number), default: `default`)
  }

  func port(
    _ name: String, _ member: inout UInt16, default: UInt16
  ) throws(ConfigurationError) {
    var number = Int(member)
    try integer(name, &number, default: Int(`default`), 1...65_535)
    member = UInt16(number)
  }

  func boolean(_ name: String) throws(ConfigurationError) -> Bool? {
    guard let text = environment[name] else { return nil }
    switch text.lowercased() {
    case "true", "1", "yes": return true
    case "false", "0", "no", "": return false
    default: throw ConfigurationError(name, .notOneOf(["true", "1", "yes", "false", "0", "no"]))
    }
  }

  /// Decrypted requests never leave the machine but through the vendor's binary, so only a loopback
  /// address with a port and no path is taken.
  func upstream(
    _ name: String, _ member: inout UInt16, default: UInt16
  ) throws(ConfigurationError) {
    guard let text = text(name) else { return }
    let prefixes = ["http://localhost:", "http://127.0.0.1:"]
    guard let prefix = prefixes.first(where: { text.hasPrefix($0) }),
      let port = UInt16(text.dropFirst(prefix.count)), port > 0, !text.contains("+")
    else { throw ConfigurationError(name, .notOneOf(prefixes.map { $0 + "PORT" })) }
    try set(name, &member, to: port, default: `default`)
  }

  /// Values that stand in documents and example files, which anybody could try.
  private static let examples: Set<String> = [
    "your-api-key-here", "your_api_key", "your-privatemode-api-key", "your-secure-admin-password",
    "your-secure-password", "change-me", "changeme", "password",
  ]

  func secret(_ name: String) throws(ConfigurationError) -> String? {
    guard let text = text(name) else { return nil }
    guard !Self.examples.contains(text.lowercased()) else {
      throw ConfigurationError(name, .exampleValue)
    }
    return text
  }
}
