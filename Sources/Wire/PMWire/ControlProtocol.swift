public import PMJSON

/// What may be asked of the supervisor over `pmctl.sock`, one JSON object per line. No verb takes a
/// path or a command.
public enum ControlVerb: String, CaseIterable, Sendable {
  case status, why, watch, logs, attest, evidence, probe, start, stop, restart, drain, reload, gate

  /// Who may ask.
  public var access: ControlAccess {
    switch self {
    case .status, .why, .watch, .logs, .attest, .evidence: .read
    case .probe, .start, .stop, .restart, .drain: .operate
    case .reload, .gate: .admin
    }
  }

  /// Whether the request names a service.
  public var takesService: Bool {
    switch self {
    case .why, .probe, .start, .stop, .restart, .drain: true
    case .status, .watch, .logs, .attest, .evidence, .reload, .gate: false
    }
  }
}

/// What a user may do; each includes those before it.
public enum ControlAccess: Int, Comparable, Sendable {
  case read, operate, admin
  public static func < (a: ControlAccess, b: ControlAccess) -> Bool { a.rawValue < b.rawValue }
}

/// The bounds of the protocol.
public enum ControlLimits {
  /// Longest line either way.
  public static let lineBytesMax = 4096
  public static let clientsMax = 8
  public static let requestsPerClientMax = 4
  /// Longest time that a client may wait for an outcome.
  public static let deadlineMillisecondsMax: Int64 = 600_000
  public static let deadlineMillisecondsDefault: Int64 = 60_000
  /// A client that has not taken this much is dropped.
  public static let outputBytesMax = 256 * 1024
}

/// One request.
public struct ControlRequest: Equatable, Sendable {
  public let id: Int64
  public let verb: ControlVerb
  public let service: Service?
  public let deadlineMilliseconds: Int64

  public init(
    id: Int64, verb: ControlVerb, service: Service? = nil,
    deadlineMilliseconds: Int64 = ControlLimits.deadlineMillisecondsDefault
  ) {
    (self.id, self.verb, self.service) = (id, verb, service)
    self.deadlineMilliseconds = deadlineMilliseconds
  }

  /// What is wrong with a line.
  public enum Fault: String, Error, Sendable {
    case notJSON = "not-json"
    case malformed
    case unknownVerb = "unknown-verb"
    case unknownService = "unknown-service"
  }

  private static let version: Int64 = 1

  /// Reads a line. Unknown and doubled members are faults: a misspelled deadline must not become
  /// the default.
  public init(line: [UInt8]) throws(Fault) {
    let value: JSONValue
    do {
      value = try JSONReader.read(line, allowsComments: false)
    } catch { throw .notJSON }
    guard let object = value.object, object["v"]?.integer == Self.version,
      let id = object["id"]?.integer, let word = object["verb"]?.string
    else { throw .malformed }
    let known: Set<String> = ["v", "id", "verb", "service", "deadline_ms"]
    guard object.members.allSatisfy({ known.contains($0.name) }) else { throw .malformed }
    guard let verb = ControlVerb(rawValue: word) else { throw .unknownVerb }
    var service: Service?
    if let name = object["service"] {
      guard verb.takesService else { throw .malformed }
      guard let text = name.string, let named = Service(rawValue: text) else {
        throw .unknownService
      }
      service = named
    } else if verb.takesService {
      throw .unknownService
    }
    var deadline = ControlLimits.deadlineMillisecondsDefault
    if let given = object["deadline_ms"] {
      guard let number = given.integer, (1...ControlLimits.deadlineMillisecondsMax).contains(number)
      else { throw .malformed }
      deadline = number
    }
    self.init(id: id, verb: verb, service: service, deadlineMilliseconds: deadline)
  }

  /// The line, without its end.
  public var line: String {
    var object: JSONObject = [
      "v": .integer(Self.version), "id": .integer(id), "verb": .string(verb.rawValue),
    ]
    if let service { object["service"] = .string(service.rawValue) }
    object["deadline_ms"] = .integer(deadlineMilliseconds)
    return JSONValue.object(object).text
  }
}

/// The last reply to a request.
public struct ControlOutcome: Equatable, Sendable {
  public let outcome: Outcome
  /// One of the closed words of `Reason`, `Refusal`, `ControlRequest.Fault`; nil when done.
  public let reason: String?

  public init(_ outcome: Outcome, reason: String? = nil) {
    (self.outcome, self.reason) = (outcome, reason)
  }

  /// Nil if the reply is not the last one.
  public init?(_ reply: JSONValue) {
    guard let word = reply["outcome"]?.string, let outcome = Outcome(rawValue: word) else {
      return nil
    }
    self.init(outcome, reason: reply["reason"]?.string)
  }

  /// The whole reply.
  public func reply(to id: Int64) -> JSONValue {
    var object: JSONObject = ["id": .integer(id), "outcome": .string(outcome.rawValue)]
    if let reason { object["reason"] = .string(reason) }
    return .object(object)
  }
}
