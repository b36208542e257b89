/// The command line of the vendor's v1.40.0, as parsed.
struct Options: Sendable {
  var logLevel = "info"
  var logFormat = "text"
  var apiKey = ""
  var apiEndpoint = "api.privatemode.ai:443"
  var port = "8080"
  var workspace = "."
  var manifestPath = ""
  var allowsUnknownOCSP = true
  var revokedGraceHours = 48
  var sharesPromptCache = false
  var promptCacheSalt = ""
  var tlsCertPath = ""
  var tlsKeyPath = ""
  var dumpsRequests = false
  var isAPIInsecure = false
  var cdnBaseURL = "https://cdn.confidential.cloud/privatemode/v2"
  var secretEndpoint = ""
  var coordinatorEndpoint = ""

  /// An empty key counts as set.
  var isAPIKeySet = false

  /// The path of `name` inside the workspace, joined as Go joins: no leading `./`.
  func inWorkspace(_ name: String) -> String {
    var folder = workspace[...]
    while folder.count > 1 && folder.hasSuffix("/") { folder.removeLast() }
    if folder.isEmpty || folder == "." { return name }
    return folder == "/" ? "/\(name)" : "\(folder)/\(name)"
  }
}

/// One flag: how it is spelled, what it sets, what `--help` says of it.
struct Flag: Sendable {
  enum Target: Sendable {
    case text(any WritableKeyPath<Options, String> & Sendable)
    case truth(any WritableKeyPath<Options, Bool> & Sendable)
    case number(any WritableKeyPath<Options, Int> & Sendable)
  }

  let name: String
  let target: Target
  let help: String
  var shorthand: Character?
  var isHidden = false
  var isDeprecated = false

  /// Every flag, in the order of `--help`.
  static let all: [Flag] = [
    Flag(
      name: "apiEndpoint", target: .text(\.apiEndpoint),
      help: "host:port of the Privatemode API"),
    Flag(
      name: "apiKey", target: .text(\.apiKey),
      help: "API key, or @FILE to read it from; without it clients bring their own"),
    Flag(
      name: "cdnBaseURL", target: .text(\.cdnBaseURL), help: "where the manifest lies",
      isHidden: true),
    Flag(
      name: "coordinatorEndpoint", target: .text(\.coordinatorEndpoint), help: "ignored",
      isDeprecated: true),
    Flag(
      name: "dumpRequests", target: .truth(\.dumpsRequests),
      help: "write requests and answers below requests/ of the workspace"),
    Flag(
      name: "insecureAPIConnection", target: .truth(\.isAPIInsecure),
      help: "accept any certificate of the API endpoint", isHidden: true),
    Flag(name: "log-format", target: .text(\.logFormat), help: "json or text"),
    Flag(
      name: "log-level", target: .text(\.logLevel),
      help: "debug, info, warn, error or a number", shorthand: "l"),
    Flag(
      name: "manifestPath", target: .text(\.manifestPath),
      help: "manifest file; without it the manifest is fetched"),
    Flag(
      name: "nvidiaOCSPAllowUnknown", target: .truth(\.allowsUnknownOCSP),
      help: "accept an OCSP status of unknown"),
    Flag(
      name: "nvidiaOCSPRevokedGracePeriod", target: .number(\.revokedGraceHours),
      help: "hours for which a revoked certificate is still accepted"),
    Flag(name: "port", target: .text(\.port), help: "port to listen on"),
    Flag(
      name: "promptCacheSalt", target: .text(\.promptCacheSalt),
      help: "salt of the shared prompt cache"),
    Flag(
      name: "sharedPromptCache", target: .truth(\.sharesPromptCache),
      help: "one prompt cache for all callers"),
    Flag(
      name: "ssEndpoint", target: .text(\.secretEndpoint), help: "ignored", isDeprecated: true),
    Flag(name: "tlsCertPath", target: .text(\.tlsCertPath), help: "certificate chain to serve"),
    Flag(name: "tlsKeyPath", target: .text(\.tlsKeyPath), help: "private key to serve with"),
    Flag(name: "workspace", target: .text(\.workspace), help: "folder for files written"),
  ]
}
