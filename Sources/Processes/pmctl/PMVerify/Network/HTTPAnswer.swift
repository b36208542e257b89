internal import PMHTTP
public import PMSystem

/// The answer to one GET. Redirects are answers like any other: nothing follows them.
public struct HTTPAnswer: Equatable, Sendable {
  public var status: Int
  /// The server's clock, where it told it.
  public var date: WallTime?
  /// Of the statuses that carry one for us, 200 and 503; else empty.
  public var body: [UInt8]

  public init(status: Int, date: WallTime? = nil, body: [UInt8] = []) {
    (self.status, self.date, self.body) = (status, date, body)
  }

  /// Asks once and reads the whole answer. `authority` is host and port as the URL has them.
  static func get(
    _ target: String, of authority: String, fields: [String] = [], over stream: any ByteStream,
    bodyBytesMax: Int
  ) throws(NetworkFault) -> HTTPAnswer {
    let lines =
      [
        "GET \(target) HTTP/1.1", "Host: \(authority)", "Connection: close", "User-Agent: pmctl",
      ] + fields + ["", ""]
    var buffer = ByteBuffer()
    buffer.append(lines.joined(separator: "\r\n"))
    try stream.send(buffer)
    buffer.clear()
    let (head, length) = try readHead(from: stream, into: &buffer)
    var answer = HTTPAnswer(status: head.status, date: date(in: head, buffer.span))
    buffer.consume(length)
    if head.status == 200 || head.status == 503 {
      answer.body = try readBody(head.body(), from: stream, &buffer, bodyBytesMax)
    }
    return answer
  }

  /// The head and its length; `buffer` holds it and perhaps the beginning of the body.
  static func readHead(
    from stream: any ByteStream, into buffer: inout ByteBuffer
  ) throws(NetworkFault) -> (ResponseHead, Int) {
    var end = HeadEnd()
    while true {
      guard try stream.receive(into: &buffer) else { throw .truncated }
      do throws(HTTPError) {
        guard let length = try end.find(in: buffer.span) else { continue }
        return (try ResponseHead(buffer.span.extracting(0..<length)), length)
      } catch {
        throw .notHTTP
      }
    }
  }

  private static func readBody(
    _ framing: BodyFraming, from stream: any ByteStream, _ buffer: inout ByteBuffer, _ bytesMax: Int
  ) throws(NetworkFault) -> [UInt8] {
    // A body that ends with its connection cannot be told from one that broke off.
    guard !framing.endsWithConnection else { throw .notHTTP }
    guard framing.bytesLeft ?? 0 <= bytesMax else { throw .oversized }
    var (framing, body) = (framing, [UInt8]())
    while true {
      var position = 0
      do throws(HTTPError) {
        while let run = try framing.next(buffer.span, &position) {
          body += Array(copying: buffer.span.extracting(run))
          guard body.count <= bytesMax else { throw HTTPError.headTooLarge }
        }
      } catch {
        throw error == .headTooLarge ? .oversized : .notHTTP
      }
      if framing.isComplete { return body }
      buffer.consume(position)
      guard try stream.receive(into: &buffer) else { throw .truncated }
    }
  }

  private static func date(in head: ResponseHead, _ bytes: borrowing Span<UInt8>) -> WallTime? {
    for index in 0..<head.fields.count {
      let field = head.fields[index]
      guard bytes.equals(field.nameRange, ignoringCase: "date") else { continue }
      return WallTime(httpDate: String(copying: bytes.extracting(field.valueRange)))
    }
    return nil
  }
}
