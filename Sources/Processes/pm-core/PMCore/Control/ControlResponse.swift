import PMJSON

/// An answer of the control desk.
struct ControlResponse: Equatable, Sendable {
  enum Body: Equatable, Sendable {
    case none
    case json(JSONValue)
    case text(MediaType, [UInt8])
    case stream(StreamedBody)
  }

  /// Of a body that is not JSON.
  enum MediaType: String, Sendable {
    case csv = "text/csv; charset=utf-8"
    /// The Prometheus exposition format.
    case metrics = "text/plain; version=0.0.4; charset=utf-8"
  }

  var status: Int
  var body: Body
  /// Methods of the path, for status 405.
  var allowedMethods: [String] = []

  init(_ status: Int, _ body: Body = .none, allowedMethods: [String] = []) {
    (self.status, self.body, self.allowedMethods) = (status, body, allowedMethods)
  }

  static func ok(_ json: JSONValue) -> ControlResponse { ControlResponse(200, .json(json)) }

  /// An error in the object that the OpenAI clients know.
  static func error(
    _ status: Int, _ code: String, _ message: String, member: String? = nil
  ) -> ControlResponse {
    let type = status < 500 ? "invalid_request_error" : "server_error"
    return ControlResponse(
      status,
      .json([
        "error": [
          "message": .string(message), "type": .string(type),
          "param": member.map { .string($0) } ?? .null, "code": .string(code),
        ]
      ]))
  }

  static let ledgerUnavailable = error(
    503, "ledger_unavailable", "The ledger cannot be written or read now; nothing was changed.")
  static let busy = error(503, "busy", "Too much waits already; try again.")
  static let forbidden = error(403, "not_allowed", "This user may not do that.")

  /// Media type of the body; empty without one.
  var contentType: String {
    switch body {
    case .none: ""
    case .json: "application/json"
    case .text(let type, _): type.rawValue
    case .stream: "application/octet-stream"
    }
  }

  var bytes: [UInt8] {
    switch body {
    case .none, .stream: []
    case .json(let value): value.utf8 + [0x0A]
    case .text(_, let bytes): bytes
    }
  }
}
