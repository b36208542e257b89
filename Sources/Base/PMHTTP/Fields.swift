/// The fields this product gives a meaning to; every other field is `other`.
public enum FieldName: UInt8, Sendable {
  case other
  case accept, accessControlRequestHeaders, accessControlRequestMethod, anthropicBeta
  case anthropicVersion, authorization, connection, contentLength, contentType, cookie, expect
  case host, idempotencyKey, ifNoneMatch, keepAlive, location, origin, privatemodeEncrypted
  case proxyConnection, retryAfter, secFetchSite, setCookie, te, trailer, transferEncoding
  case upgrade, xApiKey, xCsrfToken, xForwardedFor, acceptLanguage
  /// Any name that begins with `PM-`: said between our processes only.
  case internalName

  /// The field that `range`, a token, names. Length and first letter leave one candidate.
  @inline(__always)
  static func classify(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> FieldName {
    func named(_ text: StaticString, _ name: FieldName) -> FieldName {
      bytes.isToken(range, text) ? name : .other
    }
    switch (range.count, bytes[range.lowerBound] | 0x20) {
    case (2, UInt8(ascii: "t")): return named("te", .te)
    case (4, UInt8(ascii: "h")): return named("host", .host)
    case (6, UInt8(ascii: "a")): return named("accept", .accept)
    case (6, UInt8(ascii: "c")): return named("cookie", .cookie)
    case (6, UInt8(ascii: "e")): return named("expect", .expect)
    case (6, UInt8(ascii: "o")): return named("origin", .origin)
    case (7, UInt8(ascii: "u")): return named("upgrade", .upgrade)
    case (7, UInt8(ascii: "t")): return named("trailer", .trailer)
    case (8, UInt8(ascii: "l")): return named("location", .location)
    case (9, UInt8(ascii: "x")): return named("x-api-key", .xApiKey)
    case (10, UInt8(ascii: "c")): return named("connection", .connection)
    case (10, UInt8(ascii: "k")): return named("keep-alive", .keepAlive)
    case (10, UInt8(ascii: "s")): return named("set-cookie", .setCookie)
    case (11, UInt8(ascii: "r")): return named("retry-after", .retryAfter)
    case (12, UInt8(ascii: "c")): return named("content-type", .contentType)
    case (12, UInt8(ascii: "x")): return named("x-csrf-token", .xCsrfToken)
    case (13, UInt8(ascii: "a")): return named("authorization", .authorization)
    case (13, UInt8(ascii: "i")): return named("if-none-match", .ifNoneMatch)
    case (14, UInt8(ascii: "c")): return named("content-length", .contentLength)
    case (14, UInt8(ascii: "s")): return named("sec-fetch-site", .secFetchSite)
    case (14, UInt8(ascii: "a")): return named("anthropic-beta", .anthropicBeta)
    case (15, UInt8(ascii: "x")): return named("x-forwarded-for", .xForwardedFor)
    case (15, UInt8(ascii: "i")): return named("idempotency-key", .idempotencyKey)
    case (15, UInt8(ascii: "a")): return named("accept-language", .acceptLanguage)
    case (16, UInt8(ascii: "p")) where bytes.isToken(range, "proxy-connection"):
      return .proxyConnection
    case (17, UInt8(ascii: "t")): return named("transfer-encoding", .transferEncoding)
    case (17, UInt8(ascii: "a")): return named("anthropic-version", .anthropicVersion)
    case (21, UInt8(ascii: "p")) where bytes.isToken(range, "privatemode-encrypted"):
      return .privatemodeEncrypted
    case (29, UInt8(ascii: "a")):
      return named("access-control-request-method", .accessControlRequestMethod)
    case (30, UInt8(ascii: "a")):
      return named("access-control-request-headers", .accessControlRequestHeaders)
    case (4..., UInt8(ascii: "p")):
      return bytes.isToken(range.lowerBound..<range.lowerBound + 3, "pm-") ? .internalName : .other
    default: return .other
    }
  }

  /// Fields that speak of one connection only (RFC 9110, 7.6.1).
  public var isHopByHop: Bool {
    switch self {
    case .connection, .keepAlive, .proxyConnection, .te, .trailer, .transferEncoding, .upgrade: true
    default: false
    }
  }
}

/// Where a field lies in its head.
public struct Field: Sendable {
  public var name: FieldName
  public var nameStart: UInt16
  public var nameEnd: UInt16
  public var valueStart: UInt16
  public var valueEnd: UInt16

  public var nameRange: Range<Int> { Int(nameStart)..<Int(nameEnd) }
  public var valueRange: Range<Int> { Int(valueStart)..<Int(valueEnd) }
}

/// The fields of one head, as offsets into its bytes, and what framing needs of them.
public struct Fields: Sendable {
  /// Fields of a usual head; SDKs send about twenty.
  private static let usualCount = 24

  private var table: [Field] = []
  /// Nil without `Content-Length`.
  public private(set) var contentLength: Int?
  public private(set) var isChunked = false
  public private(set) var saysClose = false
  public private(set) var saysKeepAlive = false

  public init() {}

  /// Reads field lines with the empty line behind them, as strictly as in a head.
  public init(lines bytes: borrowing Span<UInt8>) throws(HTTPError) {
    try read(bytes, from: 0, to: bytes.count - 2)
  }

  public var count: Int { table.count }
  public subscript(_ index: Int) -> Field { table[index] }

  /// The value of the first field of that name.
  public func first(_ name: FieldName) -> Range<Int>? {
    for field in table where field.name == name { return field.valueRange }
    return nil
  }

  public func count(_ name: FieldName) -> Int {
    var found = 0
    for field in table where field.name == name { found += 1 }
    return found
  }

  /// Reads field lines from `start` to the empty line; `bytes` holds a whole head.
  mutating func read(
    _ bytes: borrowing Span<UInt8>, from start: Int, to end: Int
  ) throws(HTTPError) {
    table.reserveCapacity(Self.usualCount)
    var position = start
    while position < end {
      position = try readLine(bytes, at: position, end: end)
    }
    if isChunked && contentLength != nil { throw .ambiguousLength }
  }

  @inline(__always)
  private mutating func readLine(
    _ bytes: borrowing Span<UInt8>, at start: Int, end: Int
  ) throws(HTTPError) -> Int {
    var nameEnd = bytes.plainNameEnd(from: start)
    while nameEnd < end, isTokenByte(bytes[nameEnd]) { nameEnd &+= 1 }
    // Also refuses a folded line, which begins with a blank, and a blank before the colon.
    guard nameEnd > start, nameEnd < end, bytes[nameEnd] == 0x3A else { throw .malformedField }
    var valueStart = nameEnd &+ 1
    while valueStart < end, bytes[valueStart] == 0x20 || bytes[valueStart] == 0x09 {
      valueStart &+= 1
    }
    var lineEnd = bytes.firstControl(from: valueStart)
    while lineEnd < end, bytes[lineEnd] == 0x09 { lineEnd = bytes.firstControl(from: lineEnd &+ 1) }
    guard lineEnd &+ 1 < bytes.count, bytes[lineEnd] == 0x0D, bytes[lineEnd &+ 1] == 0x0A else {
      throw .malformedField
    }
    var valueEnd = lineEnd
    while valueEnd > valueStart, bytes[valueEnd &- 1] == 0x20 || bytes[valueEnd &- 1] == 0x09 {
      valueEnd &-= 1
    }
    let name = FieldName.classify(bytes, start..<nameEnd)
    guard count < HTTPLimits.fieldsMax else { throw .headTooLarge }
    table.append(
      Field(
        name: name, nameStart: UInt16(truncatingIfNeeded: start),
        nameEnd: UInt16(truncatingIfNeeded: nameEnd),
        valueStart: UInt16(truncatingIfNeeded: valueStart),
        valueEnd: UInt16(truncatingIfNeeded: valueEnd)))
    switch name {
    case .contentLength: try readLength(bytes, valueStart..<valueEnd)
    case .transferEncoding: try readCoding(bytes, valueStart..<valueEnd)
    case .connection: readConnection(bytes, valueStart..<valueEnd)
    default: break
    }
    return lineEnd &+ 2
  }

  private mutating func readLength(
    _ bytes: borrowing Span<UInt8>, _ range: Range<Int>
  ) throws(HTTPError) {
    // Fifteen digits stay far from overflow; repeating even the same value is refused.
    guard contentLength == nil, (1...15).contains(range.count) else { throw .ambiguousLength }
    var value = 0
    for offset in range {
      let digit = bytes[offset] &- 0x30
      guard digit < 10 else { throw .ambiguousLength }
      value = value &* 10 &+ Int(digit)
    }
    contentLength = value
  }

  private mutating func readCoding(
    _ bytes: borrowing Span<UInt8>, _ range: Range<Int>
  ) throws(HTTPError) {
    guard !isChunked else { throw .ambiguousLength }
    guard bytes.equals(range, ignoringCase: "chunked") else { throw .unsupportedTransferCoding }
    isChunked = true
  }

  private mutating func readConnection(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
    bytes.forEachListItem(in: range) { item in
      if bytes.equals(item, ignoringCase: "close") { saysClose = true }
      if bytes.equals(item, ignoringCase: "keep-alive") { saysKeepAlive = true }
    }
  }
}

extension Span where Element == UInt8 {
  /// Calls `body` for each comma-separated item, blanks trimmed, empty ones left out (RFC 9110,
  /// 5.6.1).
  public func forEachListItem(in range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var start = range.lowerBound
    while start < range.upperBound {
      var end = start
      while end < range.upperBound, self[end] != 0x2C { end &+= 1 }
      let item = trimmingBlanks(start..<end)
      if !item.isEmpty { body(item) }
      start = end &+ 1
    }
  }

  /// The range without blanks and tabs at both ends.
  public func trimmingBlanks(_ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, self[start] == 0x20 || self[start] == 0x09 { start &+= 1 }
    while end > start, self[end &- 1] == 0x20 || self[end &- 1] == 0x09 { end &-= 1 }
    return start..<end
  }
}
