internal import PMHTTP
internal import PMJSON
internal import PMSystem
internal import PMWire

/// Asks core over its control socket.
struct CoreClient {
  let conversation: HTTPConversation

  /// No receive waits longer than `silenceSecondsMax`.
  init(_ input: CommandInput, silenceSecondsMax: Int = Self.silenceSecondsMax) {
    conversation = HTTPConversation(
      SocketConversation(
        path: "\(ControlClient.runtimeDirectory(input))/\(SocketName.coreControl)",
        silenceSecondsMax: silenceSecondsMax, answerBytesMax: Self.answerBytesMax),
      host: "core")
  }

  /// Between two receives; a summary of a long period takes core up to 20 s.
  private static let silenceSecondsMax = 60
  /// A page of the ledger's lines.
  private static let answerBytesMax = 64 << 20

  /// Nil if core does not answer, or not in HTTP.
  func ask(
    _ act: CoreControl.Act, query: String = "", body: [UInt8] = []
  ) -> HTTPConversation.Answer? {
    let target = act.path + (query.isEmpty ? "" : "?\(query)")
    return try? conversation.ask(act.method, target, json: body)
  }
}

extension HTTPConversation.Answer {
  /// `.null` if the body is none.
  var document: JSONValue { (try? JSONReader.read(body)) ?? .null }
}
