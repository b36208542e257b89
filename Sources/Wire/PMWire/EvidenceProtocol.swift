internal import PMJSON

/// Between edge and supervisor, over the socket pair `evidence`: one JSON object per line. The key
/// is no argument: the supervisor binds the key of the edge that asks, as the gate knows it.
public enum EvidenceLimits {
  /// Longest line either way.
  public static let lineBytesMax = 4096
  /// Bytes of a document in one line; with base64 and the rest it stays below `lineBytesMax`.
  public static let pieceBytesMax = 2880
  /// Requests that wait while another is worked on.
  public static let waitingMax = 8
  /// All clients together: the security processor is shared with the whole machine.
  public static let requestsPerSecond = 1
  /// What may come at once, counted in seconds of it.
  public static let burstSecondsMax: UInt64 = 8
  /// A client waits no longer than this for its document.
  public static let deadlineMillisecondsDefault: Int64 = 15_000
  public static let deadlineMillisecondsMax: Int64 = 60_000
}

/// One request for a document.
public struct EvidenceRequest: Equatable, Sendable {
  public let id: Int64
  /// 64 lower-case hexadecimal digits.
  public let nonce: String
  public let deadlineMilliseconds: Int64

  private static let version: Int64 = 1
  private static let verb = "evidence"
  private static let nonceDigits = 64

  public init(
    id: Int64, nonce: String,
    deadlineMilliseconds: Int64 = EvidenceLimits.deadlineMillisecondsDefault
  ) {
    (self.id, self.nonce, self.deadlineMilliseconds) = (id, nonce, deadlineMilliseconds)
  }

  /// Nil if the line is no such request.
  public init?(line: [UInt8]) {
    guard let object = (try? JSONReader.read(line))?.object,
      object["v"]?.integer == Self.version, object["verb"]?.string == Self.verb,
      let id = object["id"]?.integer, let nonce = object["nonce"]?.string,
      nonce.utf8.count == Self.nonceDigits,
      let deadline = object["deadline_ms"]?.integer,
      (1...EvidenceLimits.deadlineMillisecondsMax).contains(deadline), object.members.count == 5
    else { return nil }
    self.init(id: id, nonce: nonce, deadlineMilliseconds: deadline)
  }

  /// With its end.
  public var line: String {
    let object: JSONValue = [
      "v": .integer(Self.version), "id": .integer(id), "verb": .string(Self.verb),
      "nonce": .string(nonce), "deadline_ms": .integer(deadlineMilliseconds),
    ]
    return object.text + "\n"
  }
}

/// One line of an answer.
public enum EvidenceReply: Equatable, Sendable {
  /// A piece of the document as base64, counted from 0.
  case part(Int, String)
  /// All pieces were sent; together they have so many bytes.
  case done(bytes: Int)
  case refused(Refusal, retryAfterSeconds: Int)

  public enum Refusal: String, CaseIterable, Sendable {
    /// Too many ask, or asked lately.
    case busy
    /// There is no evidence now: the gate is shut or runs again, or a device did not answer.
    case unavailable
    case malformed
  }

  /// Nil if the line is none of these; with the id of the request.
  public static func read(_ line: [UInt8]) -> (id: Int64, reply: EvidenceReply)? {
    guard let value = try? JSONReader.read(line), let id = value["id"]?.integer else { return nil }
    if let part = value["part"]?.integer, let data = value["data"]?.string {
      return (id, .part(Int(clamping: part), data))
    }
    switch value["outcome"]?.string {
    case "done":
      guard let bytes = value["bytes"]?.integer else { return nil }
      return (id, .done(bytes: Int(clamping: bytes)))
    case "refused":
      guard let refusal = value["reason"]?.string.flatMap(Refusal.init(rawValue:)) else {
        return nil
      }
      let seconds = value["retry_after_s"]?.integer ?? 1
      return (id, .refused(refusal, retryAfterSeconds: Int(clamping: seconds)))
    default: return nil
    }
  }

  /// With its end.
  public func line(to id: Int64) -> String {
    var object: JSONObject = ["id": .integer(id)]
    switch self {
    case .part(let index, let data):
      object["part"] = .integer(Int64(index))
      object["data"] = .string(data)
    case .done(let bytes):
      object["outcome"] = "done"
      object["bytes"] = .integer(Int64(bytes))
    case .refused(let refusal, let seconds):
      object["outcome"] = "refused"
      object["reason"] = .string(refusal.rawValue)
      object["retry_after_s"] = .integer(Int64(seconds))
    }
    return JSONValue.object(object).text + "\n"
  }
}
