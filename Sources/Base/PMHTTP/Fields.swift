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

  @inline(__always)
  static func classify(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> FieldName {
    func named(_ text: StaticString, _ name: FieldName) -> FieldName? {
      bytes.equals(range, ignoringCase: text) ? name : nil
    }
    if range.count > 3, bytes.equals(range.lowerBound..<range.lowerBound + 3, ignoringCase: "pm-") {
      return .internalName
    }
    switch range.count {
    case 2: return named("te", .te) ?? .other
    case 4: return named("host", .host) ?? .other
    case 6:
      return named("accept", .accept) ?? named("cookie", .cookie) ?? named("expect", .expect)
        ?? named("origin", .origin) ?? .other
    case 7: return named("upgrade", .upgrade) ?? named("trailer", .trailer) ?? .other
    case 8: return named("location", .location) ?? .other
    case 9: return named("x-api-key", .xApiKey) ?? .other
    case 10:
      return named("connection", .connection) ?? named("keep-alive", .keepAlive)
        ?? named("set-cookie", .setCookie) ?? .other
    case 11: return named("retry-after", .retryAfter) ?? .other
    case 12:
      return named("content-type", .contentType) ?? named("x-csrf-token", .xCsrfToken) ?? .other
    case 13:
      return named("authorization", .authorization) ?? named("if-none-match", .ifNoneMatch)
        ?? .other
    case 14:
      return named("content-length", .contentLength) ?? named("sec-fetch-site", .secFetchSite)
        ?? named("anthropic-beta", .anthropicBeta) ?? .other
    case 15:
      return named("x-forwarded-for", .xForwardedFor) ?? named("idempotency-key", .idempotencyKey)
        ?? named("accept-language", .acceptLanguage) ?? .other
    case 16: return named("proxy-connection", .proxyConnection) ?? .other
    case 17:
      return named("transfer-encoding", .transferEncoding)
        ?? named("anthropic-version", .anthropicVersion) ?? .other
    case 21: return named("privatemode-encrypted", .privatemodeEncrypted) ?? .other
    case 29: return named("access-control-request-method", .accessControlRequestMethod) ?? .other
    case 30: return named("access-control-request-headers", .accessControlRequestHeaders) ?? .other
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
  static let none = Field(name: .other, nameStart: 0, nameEnd: 0, valueStart: 0, valueEnd: 0)
}

/// The fields of one head, as offsets into its bytes, and what framing needs of them.
public struct Fields: Sendable {
  private var table = InlineArray<96, Field>(repeating: .none)
  public private(set) var count = 0
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

  public subscript(_ index: Int) -> Field { table[index] }

  /// The value of the first field of that name.
  public func first(_ name: FieldName) -> Range<Int>? {
    for index in 0..<count where table[index].name == name { return table[index].valueRange }
    return nil
  }

  public func count(_ name: FieldName) -> Int {
    var found = 0
    for index in 0..<count where table[index].name == name { found += 1 }
    return found
  }

  /// Reads field lines from `start` to the empty line; `bytes` holds a whole head.
  mutating func read(
    _ bytes: borrowing Span<UInt8>, from start: Int, to end: Int
  ) throws(HTTPError) {
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
    var nameEnd = start
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
    table[count] = Field(
      name: name, nameStart: UInt16(truncatingIfNeeded: start),
      nameEnd: UInt16(truncatingIfNeeded: nameEnd),
      valueStart: UInt16(truncatingIfNeeded: valueStart),
      valueEnd: UInt16(truncatingIfNeeded: valueEnd))
    count &+= 1
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
