/// Writes one answer: whole in one write, or as a chunked stream with one write per piece.
final class Responder {
  private let wire: Wire
  private let isHead: Bool
  private let date: String
  /// Whether the connection goes on after this answer.
  var keeps: Bool
  /// The head of a stream, until it leaves with the first piece.
  private var pendingHead: Bytes?
  /// A copy of the answer, when requests are dumped.
  var copy: Bytes?

  init(wire: Wire, head: RequestHead, date: String) {
    self.wire = wire
    self.date = date
    isHead = head.method.isEqual(to: "HEAD")
    keeps = head.keepsConnection
  }

  /// Sends a whole answer; false when the client is gone.
  func send(_ status: Int, _ fields: [HeaderField], _ body: Bytes) -> Bool {
    var answer = head(status, fields)
    answer.add("Content-Length: \(body.count)\r\n\r\n")
    if !isHead { answer.append(contentsOf: body) }
    copy?.append(contentsOf: answer)
    return wire.write(answer)
  }

  func beginStream(_ fields: [HeaderField]) {
    pendingHead = head(200, fields) + Bytes("Transfer-Encoding: chunked\r\n\r\n")
  }

  /// Sends one piece of a stream as a chunk of its own; false when the client is gone.
  func piece(_ bytes: Bytes) -> Bool {
    var chunk = takeHead()
    chunk.reserveCapacity(chunk.count + bytes.count + 16)
    chunk.add(String(bytes.count, radix: 16))
    chunk.add("\r\n")
    chunk.append(contentsOf: bytes)
    chunk.add("\r\n")
    copy?.append(contentsOf: chunk)
    return wire.write(chunk)
  }

  /// Ends a stream the clean way, whether or not its content was complete.
  func endStream() -> Bool {
    wire.write(takeHead() + Bytes("0\r\n\r\n"))
  }

  private func takeHead() -> Bytes {
    defer { pendingHead = nil }
    return pendingHead ?? []
  }

  private func head(_ status: Int, _ fields: [HeaderField]) -> Bytes {
    var head: Bytes = []
    head.reserveCapacity(512)
    head.add("HTTP/1.1 \(status) \(Self.reason(status))\r\n")
    for field in fields {
      head.append(contentsOf: field.name)
      head.add(": ")
      head.append(contentsOf: field.value)
      head.add("\r\n")
    }
    head.add("Date: \(date)\r\n")
    if !keeps { head.add("Connection: close\r\n") }
    return head
  }

  private static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 307: "Temporary Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 402: "Payment Required"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 413: "Request Entity Too Large"
    case 422: "Unprocessable Entity"
    case 429: "Too Many Requests"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    default: "status code \(status)"
    }
  }
}
