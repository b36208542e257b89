/// Methods this product answers; any other token is `other`.
public enum Method: Sendable {
  case get, head, post, put, patch, delete, options, other
}

/// The head of a request (RFC 9112), as offsets into its bytes.
public struct RequestHead: Sendable {
  public private(set) var method = Method.other
  /// The path of the target, without query.
  public private(set) var path = 0..<0
  /// What follows the question mark; empty without one.
  public private(set) var query = 0..<0
  public private(set) var isHTTP10 = false
  public private(set) var expectsContinue = false
  public private(set) var fields = Fields()

  /// True if the connection may carry another request afterwards.
  public var keepsAlive: Bool {
    isHTTP10 ? fields.saysKeepAlive && !fields.saysClose : !fields.saysClose
  }
  public var hasBody: Bool { fields.isChunked || (fields.contentLength ?? 0) > 0 }
  /// How the body of this request is framed (RFC 9112, 6.3).
  public var body: BodyFraming {
    fields.isChunked ? .chunked : .length(fields.contentLength ?? 0)
  }

  /// Reads a whole head: everything up to and including the empty line. Strict, because another
  /// reader behind us must never see other messages than we do: bare line feeds, folded lines,
  /// blanks before colons, repeated or conflicting lengths are refused.
  public init(_ bytes: borrowing Span<UInt8>) throws(HTTPError) {
    let lineEnd = try readRequestLine(bytes)
    try fields.read(bytes, from: lineEnd, to: bytes.count - 2)
    let hosts = fields.count(.host)
    guard hosts == 1 || (hosts == 0 && isHTTP10) else { throw .hostMissingOrRepeated }
    if isHTTP10 && fields.isChunked { throw .ambiguousLength }
    if let expectation = fields.first(.expect) {
      expectsContinue = bytes.equals(expectation, ignoringCase: "100-continue") && !isHTTP10
    }
  }

  private mutating func readRequestLine(_ bytes: borrowing Span<UInt8>) throws(HTTPError) -> Int {
    let lineEnd = bytes.firstControl(from: 0)
    guard lineEnd + 1 < bytes.count, bytes[lineEnd] == 0x0D, bytes[lineEnd + 1] == 0x0A else {
      throw .malformedStartLine
    }
    var methodEnd = 0
    while methodEnd < lineEnd, isTokenByte(bytes[methodEnd]) { methodEnd += 1 }
    guard methodEnd > 0, methodEnd < lineEnd, bytes[methodEnd] == 0x20 else {
      throw .malformedStartLine
    }
    method = Self.method(bytes, 0..<methodEnd)
    // " HTTP/1.1" are the last nine bytes of the line.
    let targetEnd = lineEnd - 9
    guard targetEnd > methodEnd + 1 else { throw .malformedStartLine }
    try readVersion(bytes, targetEnd..<lineEnd)
    try readTarget(bytes, methodEnd + 1..<targetEnd)
    return lineEnd + 2
  }

  private static func method(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> Method {
    switch range.count {
    case 3: bytes.equals(range, "GET") ? .get : bytes.equals(range, "PUT") ? .put : .other
    case 4: bytes.equals(range, "POST") ? .post : bytes.equals(range, "HEAD") ? .head : .other
    case 5: bytes.equals(range, "PATCH") ? .patch : .other
    case 6: bytes.equals(range, "DELETE") ? .delete : .other
    case 7: bytes.equals(range, "OPTIONS") ? .options : .other
    default: .other
    }
  }

  private mutating func readVersion(
    _ bytes: borrowing Span<UInt8>, _ range: Range<Int>
  ) throws(HTTPError) {
    if bytes.equals(range, " HTTP/1.1") { return }
    if bytes.equals(range, " HTTP/1.0") {
      isHTTP10 = true
      return
    }
    throw bytes.equals(range.lowerBound..<range.lowerBound + 6, " HTTP/")
      ? .unsupportedVersion : .malformedStartLine
  }

  /// Origin form, or absolute form without its scheme and authority (RFC 9112, 3.2). Bytes outside
  /// printable ASCII, fragments and the other forms are refused.
  private mutating func readTarget(
    _ bytes: borrowing Span<UInt8>, _ range: Range<Int>
  ) throws(HTTPError) {
    guard range.count <= HTTPLimits.targetBytesMax else { throw .targetTooLong }
    for offset in range {
      let byte = bytes[offset]
      guard byte > 0x20, byte < 0x7F, byte != 0x23 else { throw .malformedTarget }
    }
    var start = range.lowerBound
    if bytes[start] != 0x2F {
      if method == .options, range.count == 1, bytes[start] == 0x2A {
        path = range
        query = range.upperBound..<range.upperBound
        return
      }
      start = try Self.pathStart(ofAbsolute: bytes, range)
    }
    let end = range.upperBound
    var pathEnd = start
    while pathEnd < end, bytes[pathEnd] != 0x3F { pathEnd += 1 }
    path = start..<pathEnd
    query = min(pathEnd + 1, end)..<end
  }

  private static func pathStart(
    ofAbsolute bytes: borrowing Span<UInt8>, _ range: Range<Int>
  ) throws(HTTPError) -> Int {
    let schemes: [StaticString] = ["https://", "http://"]
    for scheme in schemes {
      let end = range.lowerBound + scheme.utf8CodeUnitCount
      guard end < range.upperBound, bytes.equals(range.lowerBound..<end, ignoringCase: scheme),
        let slash = bytes.firstOffset(of: 0x2F, from: end), slash < range.upperBound, slash > end,
        // A query would end the authority before the slash.
        bytes.firstOffset(of: 0x3F, from: end).map({ $0 > slash }) ?? true
      else { continue }
      return slash
    }
    throw .malformedTarget
  }
}
