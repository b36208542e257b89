internal import PMHTTP
internal import PMJSON
internal import PMSystem
internal import PMWire

/// Core's control socket: HTTP with JSON bodies.
struct CoreConversation {
  let path: String

  /// The document of core's answer; `.null` if it has none.
  func ask(
    _ act: CoreControl.Act, query: String = "", _ body: JSONValue? = nil
  ) throws(ControlError) -> JSONValue {
    let answer: HTTPConversation.Answer
    do throws(HTTPConversation.Fault) {
      answer = try HTTPConversation(.control(path), host: "core")
        .ask(act.method, act.path + query, json: body?.utf8 ?? [])
    } catch {
      switch error {
      case .unreachable(let errno): throw .unreachable(errno: errno)
      case .notUnderstood: throw .notUnderstood
      }
    }
    switch answer.status {
    case 200..<300: return try Self.document(answer.body)
    case 404: throw .unknownKey
    case 400..<500: throw .refused
    default: throw .unreachable(errno: 0)
    }
  }

  private static func document(_ body: [UInt8]) throws(ControlError) -> JSONValue {
    guard !body.isEmpty else { return .null }
    do throws(JSONError) {
      return try JSONReader.read(body)
    } catch {
      throw .notUnderstood
    }
  }
}

extension SocketConversation {
  /// With another process of ours, in the time a browser waits.
  static func control(_ path: String) -> SocketConversation {
    SocketConversation(
      path: path, silenceSecondsMax: AdminLimits.controlSeconds,
      answerBytesMax: AdminLimits.controlBytesMax)
  }
}
