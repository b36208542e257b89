internal import PMHTTP
internal import PMJSON
internal import PMSystem
internal import PMWire

/// Asks core over its control socket: one HTTP request to a connection.
struct CoreClient {
  private let path: String

  init(_ input: CommandInput) {
    path = "\(ControlClient.runtimeDirectory(input))/\(SocketName.coreControl)"
  }

  /// What core said.
  struct Answer {
    let status: Int
    let body: [UInt8]
    /// `.null` if the body is none.
    var document: JSONValue { (try? JSONReader.read(body)) ?? .null }
    var isGood: Bool { (200..<300).contains(status) }
  }

  /// Between two receives; a summary of a long period takes core up to 20 s.
  private static let silenceSecondsMax = 60
  /// A page of the ledger's lines.
  private static let answerBytesMax = 64 << 20

  /// Nil if core does not answer, or not in HTTP.
  func ask(_ act: CoreControl.Act, query: String = "", body: [UInt8] = []) -> Answer? {
    let head = """
      \(act.method) \(act.path)\(query.isEmpty ? "" : "?\(query)") HTTP/1.1\r
      Host: core\r
      Connection: close\r
      Content-Type: application/json\r
      Content-Length: \(body.count)\r
      \r

      """
    guard
      let socket = try? UnixSocket.connectBlocking(path: path, seconds: Self.silenceSecondsMax),
      (try? FileIO.write(Array(head.utf8) + body, to: socket)) != nil
    else { return nil }
    var received = ByteBuffer()
    while received.count < Self.answerBytesMax,
      case .bytes = receive(socket, into: &received, upTo: 64 << 10)
    {
      do throws(HTTPError) {
        if let answer = try Self.read(received.span) { return answer }
      } catch {
        return nil
      }
    }
    return nil
  }

  /// Nil while the answer is not whole.
  private static func read(_ bytes: borrowing Span<UInt8>) throws(HTTPError) -> Answer? {
    var end = HeadEnd()
    guard let length = try end.find(in: bytes) else { return nil }
    let head = try ResponseHead(bytes.extracting(0..<length))
    var (framing, position, body) = (head.body(), length, [UInt8]())
    while let run = try framing.next(bytes, &position) {
      body += [UInt8](copying: bytes.extracting(run))
    }
    return framing.isComplete ? Answer(status: head.status, body: body) : nil
  }
}
