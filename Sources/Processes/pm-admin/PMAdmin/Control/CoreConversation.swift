internal import PMHTTP
internal import PMJSON
internal import PMSystem
internal import PMWire

/// Core's control socket: HTTP with JSON bodies, one request to a connection.
struct CoreConversation {
  let path: String

  /// The document of core's answer; `.null` if it has none.
  func ask(
    _ act: CoreControl.Act, query: String = "", _ body: JSONValue? = nil
  ) throws(ControlError) -> JSONValue {
    let body = body?.utf8 ?? []
    let head = """
      \(act.method) \(act.path)\(query) HTTP/1.1\r
      Host: core\r
      Connection: close\r
      Content-Type: application/json\r
      Content-Length: \(body.count)\r
      \r

      """
    let conversation = SocketConversation(path: path)
    let answer = try conversation.ask(Array(head.utf8) + body) {
      (bytes) throws(ControlError) in try Self.read(bytes)
    }
    switch answer.status {
    case 200..<300: return try Self.document(answer.body)
    case 404: throw .unknownKey
    case 400..<500: throw .refused
    default: throw .unreachable(errno: 0)
    }
  }

  /// Nil while the answer is not whole.
  private static func read(
    _ bytes: borrowing Span<UInt8>
  ) throws(ControlError) -> (status: Int, body: [UInt8])? {
    do throws(HTTPError) {
      var end = HeadEnd()
      guard let length = try end.find(in: bytes) else { return nil }
      let head = try ResponseHead(bytes.extracting(0..<length))
      var (framing, position, body) = (head.body(), length, [UInt8]())
      while let run = try framing.next(bytes, &position) {
        body += [UInt8](copying: bytes.extracting(run))
      }
      return framing.isComplete ? (head.status, body) : nil
    } catch {
      throw .notUnderstood
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
