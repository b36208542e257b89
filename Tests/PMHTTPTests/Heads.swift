import PMHTTP

/// Reads a head that a test wrote, by the way that a connection takes.
enum Heads {
  static func request(_ text: String) throws(HTTPError) -> RequestHead {
    try request(Array(text.utf8))
  }
  static func request(_ bytes: [UInt8]) throws(HTTPError) -> RequestHead {
    var end = HeadEnd()
    guard let length = try end.find(in: bytes.span) else { throw .malformedStartLine }
    return try RequestHead(bytes.span.extracting(0..<length))
  }
  static func response(_ text: String) throws(HTTPError) -> ResponseHead {
    let bytes = Array(text.utf8)
    return try ResponseHead(bytes.span)
  }

  static func error(_ text: String) -> HTTPError? { error(Array(text.utf8)) }
  static func error(_ bytes: [UInt8]) -> HTTPError? {
    do throws(HTTPError) {
      _ = try request(bytes)
      return nil
    } catch {
      return error
    }
  }

  /// A request with these field lines.
  static func with(_ lines: String...) -> String {
    "POST /v1/x HTTP/1.1\r\nHost: a\r\n" + lines.joined(separator: "\r\n") + "\r\n\r\n"
  }
}
