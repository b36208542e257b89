/// How the start goes.
enum BootKind: String, Sendable {
  case ok
  case noNetwork = "no_network"
  case badKey = "bad_key"
  case attestationFail = "attestation_fail"
  case manifestMismatch = "manifest_mismatch"
  case manifestUnparseable = "manifest_unparseable"
  case hang
}

/// What `PM_STANDIN_SCENARIO` says; without it, the defaults below.
struct Scenario: Sendable {
  /// 1 January 2026, 00:00 UTC: the time that answers show, so that they are the same each run.
  static let clockDefaultSeconds = 1_767_225_600

  var boot = BootKind.ok
  var delayMilliseconds = 300
  var crashMilliseconds: Int?
  var timeScale = 1.0
  var seed = 0
  var keys: Set<Bytes>?
  var models = Model.defaults
  var aliases = Model.defaultAliases
  var text: Bytes?
  var reasoning: Bytes?
  var usage = UsageMode.continuous
  var extraHeaders: [HeaderField] = []
  var clockSeconds = Self.clockDefaultSeconds
  var rules: [Rule] = []

  /// A pause of the vendor's, shortened or stretched by `time_scale`.
  func scaled(_ milliseconds: Int) -> Int { Int(Double(milliseconds) * timeScale) }

  static func load(_ path: String?) throws(FieldFault) -> Scenario {
    guard let path, !path.isEmpty else { return Scenario() }
    guard let content = try? Files.read(path) else { throw .unreadable }
    guard let value = try? JSONReader.read(content) else { throw .notJSON }
    guard value.isObject else { throw .notAnObject }
    var scenario = Scenario()
    for member in value.members { try scenario.take(member) }
    return scenario
  }

  private mutating func take(_ member: JSON.Member) throws(FieldFault) {
    switch member.name.text {
    case "boot":
      guard let kind = BootKind(rawValue: try member.text().text) else { throw member.fault }
      boot = kind
    case "delay_ms": delayMilliseconds = try member.count()
    case "crash_after_ms": crashMilliseconds = try member.count()
    case "time_scale":
      guard let scale = member.value.double, (0...1000).contains(scale) else { throw member.fault }
      timeScale = scale
    case "seed": seed = try member.count()
    case "keys": keys = Set(try member.texts())
    case "models":
      models = []
      for element in member.value.elements { models.append(try Model(element)) }
      guard case .array = member.value else { throw member.fault }
    case "aliases":
      for alias in member.value.members { aliases[alias.name] = try alias.text() }
    case "text": text = try member.text()
    case "reasoning": reasoning = try member.text()
    case "usage": usage = try UsageMode(member)
    case "extra_headers": extraHeaders = try member.fields()
    case "clock": clockSeconds = try member.count()
    case "rules":
      for element in member.value.elements { rules.append(try Rule(element)) }
      guard case .array = member.value else { throw member.fault }
    default: throw .unknown(member.name)
    }
  }
}
