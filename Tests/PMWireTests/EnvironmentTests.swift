import PMWire
import Testing

private func merged(
  _ environment: [String: String], into text: String = "{}"
) throws -> (configuration: Configuration, secrets: EnvironmentSecrets) {
  let file = try Configuration.read(Array(text.utf8))
  var configuration = file
  let secrets = try configuration.merge(environment: environment, file: file)
  return (configuration, secrets)
}

private func error(_ environment: [String: String], into text: String = "{}") -> ConfigurationError?
{
  do {
    _ = try merged(environment, into: text)
    return nil
  } catch {
    return error as? ConfigurationError
  }
}

/// The predecessor's variables.
@Suite struct EnvironmentTests {
  @Test func nothingSetChangesNothing() throws {
    #expect(try merged([:]).configuration == Configuration())
    #expect(try merged([:]).secrets == EnvironmentSecrets())
    // Variables of other programs, and those that are not needed any more.
    #expect(
      try merged(["PATH": "/bin", "PBKDF2_SALT": "0123456789abcdef", "USAGE_FILE": "/u"])
        .configuration == Configuration())
  }

  @Test func everyVariableReachesItsMember() throws {
    let all = [
      "API_KEYS_FILE": "/k.json", "TLS_CERT_FILE": "/c.pem", "TLS_KEY_FILE": "/c.key",
      "PORT": "9443",
      "RATE_LIMIT_REQUESTS": "1", "RATE_LIMIT_WINDOW": "2", "IP_RATE_LIMIT_REQUESTS": "3",
      "IP_RATE_LIMIT_WINDOW": "4", "TRUST_PROXY": "true", "FORCE_HTTPS": "true",
      "UPSTREAM_URL": "http://localhost:8099", "PRIVATEMODE_API_KEY": "vk", "ADMIN_PASSWORD": "pw",
      "API_KEYS": "a,,b",
    ]
    let (configuration, secrets) = try merged(
      all, into: #"{"edge":{"trustedProxies":["10.0.0.0/8"]}}"#)
    #expect(configuration.keysFile == "/k.json")
    #expect(configuration.tls.certificate == "/c.pem")
    #expect(configuration.tls.key == "/c.key")
    #expect(configuration.listen.https == 9443)
    #expect(configuration.limits.global == RequestWindow(requests: 1, seconds: 2))
    #expect(configuration.limits.address == RequestWindow(requests: 3, seconds: 4))
    #expect(configuration.vendor.port == 8099)
    #expect(secrets.vendorKey == "vk")
    #expect(secrets.adminPassword == "pw")
    #expect(secrets.keys == "a,,b")
  }

  @Test func theSameValueTwiceIsNoContradiction() throws {
    let file = #"{"listen":{"https":9443},"tls":{"certificate":"/c","key":"/k"}}"#
    #expect(error(["PORT": "9443", "TLS_CERT_FILE": "/c"], into: file) == nil)
    #expect(error(["PORT": "9444"], into: file) == ConfigurationError("PORT", .setTwice))
    #expect(
      error(["TLS_KEY_FILE": "/x"], into: file) == ConfigurationError("TLS_KEY_FILE", .setTwice))
    #expect(
      error(["RATE_LIMIT_WINDOW": "9"], into: #"{"limits":{"global":{"windowSeconds":8}}}"#)?.fault
        == .setTwice)
  }

  @Test func theDefaultsOfAProfileAreNoChoiceOfTheFile() throws {
    let file = #"{"profile":"development"}"#
    #expect(try merged(["PORT": "9443"], into: file).configuration.listen.https == 9443)
    #expect(try merged(["PORT": "443"], into: file).configuration.listen.https == 443)
  }

  @Test(arguments: [
    "RATE_LIMIT_REQUESTS", "IP_RATE_LIMIT_REQUESTS", "RATE_LIMIT_WINDOW", "IP_RATE_LIMIT_WINDOW",
    "PORT",
  ])
  func numbersAreDecimalAndInRange(_ name: String) {
    for text in ["abc", "+5", "5.0", " 5", "5 ", "0x5", "1e3", "5,0", "٥"] {
      #expect(error([name: text]) == ConfigurationError(name, .wrongType("an integer")), "\(text)")
    }
    let highest: [String: Int64] = [
      "PORT": 65_535, "RATE_LIMIT_WINDOW": 86_400, "IP_RATE_LIMIT_WINDOW": 86_400,
    ]
    let high = highest[name] ?? 1_000_000_000
    for value in [0, -1, high + 1, .max] {
      #expect(
        error([name: String(value)]) == ConfigurationError(name, .outOfRange(1, high)), "\(value)")
    }
    #expect(error([name: "1"]) == nil)
    #expect(error([name: String(high)]) == nil)
    // An empty line of an .env file is as if it were not there.
    #expect(error([name: ""]) == nil)
  }

  @Test func truthsHaveSevenWords() {
    for text in ["true", "1", "yes", "TRUE", "Yes"] {
      #expect(
        error(["TRUST_PROXY": text])
          == ConfigurationError("TRUST_PROXY", .onlyTogetherWith("edge.trustedProxies")))
      #expect(error(["FORCE_HTTPS": text]) == nil)
    }
    for text in ["false", "0", "no", "", "No", "FALSE"] {
      #expect(error(["TRUST_PROXY": text]) == nil)
      #expect(
        error(["FORCE_HTTPS": text]) == ConfigurationError("FORCE_HTTPS", .notAllowedInProduction))
      #expect(error(["FORCE_HTTPS": text], into: #"{"profile":"development"}"#) == nil)
    }
    for text in ["on", "y", "2", "tru", "ja", " true"] {
      #expect(error(["TRUST_PROXY": text])?.member == "TRUST_PROXY", "\(text)")
      #expect(error(["FORCE_HTTPS": text])?.member == "FORCE_HTTPS", "\(text)")
    }
  }

  @Test(arguments: ["API_KEYS_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE"])
  func pathsAreAbsolute(_ name: String) {
    #expect(error([name: "keys.json"]) == ConfigurationError(name, .notAbsolute))
    #expect(error([name: "./x"])?.fault == .notAbsolute)
  }

  /// Decrypted requests stay on this machine.
  @Test(arguments: [
    "http://localhost", "http://localhost:", "http://localhost:0", "http://localhost:65536",
    "http://localhost:8081/",
    "http://localhost:8081/v1", "https://localhost:8081", "http://example.org:8081",
    "http://localhost.example.org:8081",
    "http://127.0.0.2:8081", "http://127.0.0.1:80@evil:81", "http://user@localhost:8081",
    "localhost:8081",
    "http://localhost:+8081", "http://localhost: 8081", "http://[::1]:8081",
    "HTTP://LOCALHOST:8081x",
  ])
  func theVendorIsReachedOnLoopbackOnly(_ url: String) {
    #expect(error(["UPSTREAM_URL": url])?.member == "UPSTREAM_URL")
  }

  @Test func theVendorsPortMayBeGivenEitherWay() throws {
    #expect(try merged(["UPSTREAM_URL": "http://127.0.0.1:9"]).configuration.vendor.port == 9)
    #expect(
      try merged(["UPSTREAM_URL": "http://localhost:65535"]).configuration.vendor.port == 65_535)
    #expect(
      error(["UPSTREAM_URL": "http://localhost:9"], into: #"{"vendor":{"port":10}}"#)?.fault
        == .setTwice)
  }

  @Test(arguments: ["PRIVATEMODE_API_KEY", "ADMIN_PASSWORD", "API_KEYS"])
  func valuesOfExamplesAreRefused(_ name: String) {
    for text in ["your-secure-password", "Change-Me", "your-api-key-here"] {
      #expect(error([name: text]) == ConfigurationError(name, .exampleValue), "\(text)")
    }
  }

  @Test func secretsDoNotReachTheConfiguration() throws {
    let (configuration, secrets) = try merged([
      "PRIVATEMODE_API_KEY": "pm_secret", "ADMIN_PASSWORD": "geheim", "API_KEYS": "k1",
    ])
    #expect(configuration == Configuration())
    #expect(secrets.vendorKey == "pm_secret")
  }

  @Test func anEmptySecretIsNone() throws {
    let secrets = try merged(["ADMIN_PASSWORD": "", "API_KEYS": ""]).secrets
    #expect(secrets == EnvironmentSecrets())
  }

  @Test func anEmptyVendorKeyIsRefused() {
    #expect(error(["PRIVATEMODE_API_KEY": ""])?.member == "PRIVATEMODE_API_KEY")
  }
}
