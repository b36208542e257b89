/// The head of an answer (RFC 9112), as offsets into its bytes.
public struct ResponseHead: Sendable {
  public private(set) var status = 0
  public private(set) var fields = Fields()
  private var isHTTP10 = false

  /// True if the connection may carry another request afterwards.
  public var keepsAlive: Bool { !isHTTP10 && !fields.saysClose }

  /// Reads a whole head: everything up to and including the empty line.
  public init(_ bytes: borrowing Span<UInt8>) throws(HTTPError) {
    let lineEnd = bytes.firstControl(from: 0)
    guard lineEnd >= 12, lineEnd + 1 < bytes.count, bytes[lineEnd] == 0x0D,
      bytes[lineEnd + 1] == 0x0A, lineEnd == 12 || bytes[12] == 0x20
    else { throw .malformedStartLine }
    isHTTP10 = bytes.equals(0..<9, "HTTP/1.0 ")
    guard isHTTP10 || bytes.equals(0..<9, "HTTP/1.1 ") else { throw .unsupportedVersion }
    for offset in 9..<12 {
      let digit = bytes[offset] &- 0x30
      guard digit < 10 else { throw .malformedStartLine }
      status = status * 10 + Int(digit)
    }
    guard (100...599).contains(status) else { throw .malformedStartLine }
    try fields.read(bytes, from: lineEnd + 2, to: bytes.count - 2)
  }

  /// How the body of this answer is framed (RFC 9112, 6.3).
  public func body(forHead: Bool = false) -> BodyFraming {
    if forHead || status == 204 || status == 304 || status < 200 { return .none }
    if fields.isChunked { return .chunked }
    if let length = fields.contentLength { return .length(length) }
    return .untilClose
  }
}
