import PMHTTP
import Testing

@Suite struct RequestHeadTests {
  // MARK: What is understood

  @Test func aHeadIsReadAsOffsets() throws {
    let text =
      "POST /v1/chat/completions?a=b?c HTTP/1.1\r\nHost: x\r\n"
      + "Authorization: \t Bearer k \t\r\nContent-Length: 17\r\n\r\n"
    let bytes = Array(text.utf8)
    let head = try Heads.request(text)
    func cut(_ range: Range<Int>?) -> String? {
      range.map { String(decoding: bytes[$0], as: UTF8.self) }
    }
    #expect(head.method == .post)
    #expect(cut(head.path) == "/v1/chat/completions")
    #expect(cut(head.query) == "a=b?c")
    #expect(cut(head.fields.first(.authorization)) == "Bearer k")
    #expect(cut(head.fields[0].nameRange) == "Host")
    #expect(head.fields.contentLength == 17)
    #expect(head.fields.count == 3)
    #expect(head.hasBody)
    #expect(head.keepsAlive)
    #expect(!head.isHTTP10)
  }

  @Test(arguments: [
    ("GET", Method.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("PATCH", .patch),
    ("DELETE", .delete), ("OPTIONS", .options), ("get", .other), ("PROPFIND", .other),
    ("G", .other),
    ("!#$%&'*+-.^_`|~", .other),
  ])
  func methods(_ word: String, _ method: Method) throws {
    #expect(try Heads.request("\(word) / HTTP/1.1\r\nHost: a\r\n\r\n").method == method)
  }

  @Test func connectionsAreKeptByVersionAndField() throws {
    func keeps(_ version: String, _ connection: String) throws -> Bool {
      try Heads.request("GET / HTTP/\(version)\r\nHost: a\r\n\(connection)\r\n").keepsAlive
    }
    #expect(try keeps("1.1", ""))
    #expect(try !keeps("1.1", "Connection: close\r\n"))
    #expect(try !keeps("1.1", "Connection: a, , CLOSE ,b\r\n"))
    #expect(try !keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"))
    #expect(try keeps("1.1", "Connection: closed\r\n"))
    #expect(try !keeps("1.0", ""))
    #expect(try keeps("1.0", "Connection: Keep-Alive\r\n"))
    #expect(try !keeps("1.0", "Connection: keep-alive, close\r\n"))
  }

  @Test func onlyOneExpectationIsKnown() throws {
    #expect(try Heads.request(Heads.with("Expect: 100-Continue")).expectsContinue)
    #expect(try !Heads.request(Heads.with("Expect: 200-maybe")).expectsContinue)
    #expect(try !Heads.request("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expectsContinue)
  }

  @Test func namesAreKnownInAnyLetterCase() throws {
    let known: [(String, FieldName)] = [
      ("Accept", .accept), ("Access-Control-Request-Headers", .accessControlRequestHeaders),
      ("Access-Control-Request-Method", .accessControlRequestMethod),
      ("anthropic-beta", .anthropicBeta),
      ("anthropic-version", .anthropicVersion), ("Authorization", .authorization),
      ("Connection", .connection), ("Content-Type", .contentType), ("Cookie", .cookie),
      ("Expect", .expect), ("Idempotency-Key", .idempotencyKey), ("If-None-Match", .ifNoneMatch),
      ("Keep-Alive", .keepAlive), ("Location", .location), ("Origin", .origin),
      ("Privatemode-Encrypted", .privatemodeEncrypted), ("Proxy-Connection", .proxyConnection),
      ("Retry-After", .retryAfter), ("Sec-Fetch-Site", .secFetchSite), ("Set-Cookie", .setCookie),
      ("TE", .te), ("Trailer", .trailer), ("Upgrade", .upgrade), ("X-API-Key", .xApiKey),
      ("X-CSRF-Token", .xCsrfToken), ("X-Forwarded-For", .xForwardedFor),
      ("Accept-Language", .acceptLanguage), ("PM-Client-IP", .internalName),
      ("PM-x", .internalName),
      ("PM-", .other), ("PMX-a", .other), ("X-PM-a", .other), ("Content_Type", .other),
      ("X_API_Key", .other),
    ]
    for (text, name) in known {
      for form in [text, text.lowercased(), text.uppercased()] {
        #expect(try Heads.request(Heads.with("\(form): v")).fields[1].name == name, "\(form)")
      }
    }
  }

  @Test func theTargetMayBeAbsolute() throws {
    func path(_ target: String) throws -> String {
      let text = "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n"
      let head = try Heads.request(text)
      let bytes = Array(text.utf8)
      return String(decoding: bytes[head.path], as: UTF8.self) + "|"
        + String(decoding: bytes[head.query], as: UTF8.self)
    }
    #expect(try path("https://host/v1/models?x") == "/v1/models|x")
    #expect(try path("HTTP://host:8443/") == "/|")
    #expect(try path("/a?") == "/a|")
    #expect(try path("/?https://x/y") == "/|https://x/y")
    #expect(try path("//host/a") == "//host/a|")
    #expect(try path("/a/../b%2e%2E;x=1") == "/a/../b%2e%2E;x=1|")
  }

  @Test func asteriskIsForOptionsOnly() throws {
    #expect(try Heads.request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path.count == 1)
    #expect(Heads.error("GET * HTTP/1.1\r\nHost: a\r\n\r\n") == .malformedTarget)
    #expect(Heads.error("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n") == .malformedTarget)
  }

  // MARK: What is refused

  /// Each line is a form that some other reader takes for another message than we would.
  static let smuggling: [(String, HTTPError)] = [
    // Lengths.
    (Heads.with("Content-Length: 5", "Content-Length: 5"), .ambiguousLength),
    (Heads.with("Content-Length: 5", "content-length: 6"), .ambiguousLength),
    (Heads.with("Content-Length: 5, 5"), .ambiguousLength),
    (Heads.with("Content-Length: +5"), .ambiguousLength),
    (Heads.with("Content-Length: -1"), .ambiguousLength),
    (Heads.with("Content-Length: 0x5"), .ambiguousLength),
    (Heads.with("Content-Length: 5 5"), .ambiguousLength),
    (Heads.with("Content-Length: 5a"), .ambiguousLength),
    (Heads.with("Content-Length: "), .ambiguousLength),
    (Heads.with("Content-Length: 1e3"), .ambiguousLength),
    (Heads.with("Content-Length: ５"), .ambiguousLength),
    (Heads.with("Content-Length: 1000000000000000"), .ambiguousLength),
    (Heads.with("Content-Length: 18446744073709551621"), .ambiguousLength),
    // Lengths beside chunks, in both orders.
    (Heads.with("Content-Length: 5", "Transfer-Encoding: chunked"), .ambiguousLength),
    (Heads.with("Transfer-Encoding: chunked", "Content-Length: 5"), .ambiguousLength),
    (Heads.with("Transfer-Encoding: chunked", "Content-Length: 0"), .ambiguousLength),
    // Codings.
    (Heads.with("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), .ambiguousLength),
    (Heads.with("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), .ambiguousLength),
    (
      Heads.with("Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
      .unsupportedTransferCoding
    ),
    (Heads.with("Transfer-Encoding: gzip, chunked"), .unsupportedTransferCoding),
    (Heads.with("Transfer-Encoding: chunked, chunked"), .unsupportedTransferCoding),
    (Heads.with("Transfer-Encoding: chunked;q=1"), .unsupportedTransferCoding),
    (Heads.with("Transfer-Encoding: xchunked"), .unsupportedTransferCoding),
    (Heads.with("Transfer-Encoding: \"chunked\""), .unsupportedTransferCoding),
    (Heads.with("Transfer-Encoding: identity"), .unsupportedTransferCoding),
    (Heads.with("Transfer-Encoding:"), .unsupportedTransferCoding),
    (Heads.with("Transfer-Encoding: ,chunked"), .unsupportedTransferCoding),
    (Heads.with("Transfer-Encoding: \u{B}chunked"), .malformedField),
    (Heads.with("Transfer-Encoding: chunked\u{0}"), .malformedField),
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .ambiguousLength),
    // Names.
    (Heads.with("Content-Length : 5"), .malformedField),
    (Heads.with("Transfer-Encoding\t: chunked"), .malformedField),
    (Heads.with(" Content-Length: 5"), .malformedField),
    (Heads.with("Content\u{0}Length: 5"), .malformedField),
    (Heads.with("Content Length: 5"), .malformedField),
    (Heads.with("Ｃontent-Length: 5"), .malformedField),
    (Heads.with(": x"), .malformedField),
    (Heads.with("no colon"), .malformedField),
    (Heads.with("X(y): 1"), .malformedField),
    // Folded lines.
    (Heads.with("X: a", " b"), .malformedField),
    (Heads.with("X: a", "\tContent-Length: 5"), .malformedField),
    ("GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n", .malformedField),
    // Line ends.
    (Heads.with("X: a\nContent-Length: 5"), .malformedField),
    (Heads.with("X: a\rContent-Length: 5"), .malformedField),
    (Heads.with("X: a\r"), .malformedField),
    (Heads.with("X: a\r\r\nY: b"), .malformedField),
    ("GET / HTTP/1.1\nHost: a\n\n", .malformedField),
    ("GET / HTTP/1.1\r\nHost: a\n\n", .malformedField),
    ("GET / HTTP/1.1\rHost: a\r\n\r\n", .malformedStartLine),
    ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedStartLine),
    ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedField),
    // Control characters in values.
    (Heads.with("X: a\u{0}b"), .malformedField), (Heads.with("X: a\u{7F}b"), .malformedField),
    (Heads.with("X: a\u{1B}b"), .malformedField), (Heads.with("X: a\u{C}b"), .malformedField),
    // Hosts.
    ("GET / HTTP/1.1\r\n\r\n", .hostMissingOrRepeated),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .hostMissingOrRepeated),
    ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", .hostMissingOrRepeated),
    // Start lines.
    ("GET /\r\n\r\n", .malformedStartLine), ("GET\r\n\r\n", .malformedStartLine),
    ("GET HTTP/1.1\r\n\r\n", .malformedStartLine),
    (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedStartLine),
    ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", .malformedStartLine),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .malformedStartLine),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", .malformedStartLine),
    ("GET / HTTP/1.1x\r\nHost: a\r\n\r\n", .malformedStartLine),
    ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedStartLine),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedVersion),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", .unsupportedVersion),
    ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", .unsupportedVersion),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion),
    // Targets.
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("CONNECT host:443 HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET ftp://host/ HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET https:/host/ HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET https:///path HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET https:// HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    // The authority ends at the question mark: this asks for the root.
    ("GET https://host?x=/admin HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
  ]

  @Test func ambiguousFormsAreRefused() {
    for (text, wanted) in Self.smuggling {
      #expect(Heads.error(text) == wanted, "\(text.debugDescription)")
    }
  }

  /// A line feed alone makes the wait for a head end at once.
  @Test func aBareFeedIsRefusedBeforeTheHeadIsComplete() {
    for text in ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nX: a\n", "\n"] {
      #expect(Heads.error(text) == .malformedField, "\(text.debugDescription)")
    }
  }

  // MARK: Limits

  @Test func theTargetIsBounded() {
    func error(_ count: Int) -> HTTPError? {
      Heads.error("GET /\(String(repeating: "a", count: count - 1)) HTTP/1.1\r\nHost: a\r\n\r\n")
    }
    #expect(error(HTTPLimits.targetBytesMax - 1) == nil)
    #expect(error(HTTPLimits.targetBytesMax) == nil)
    #expect(error(HTTPLimits.targetBytesMax + 1) == .targetTooLong)
  }

  @Test func theFieldsAreBounded() {
    func error(_ count: Int) -> HTTPError? {
      Heads.error(
        "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: count - 1) + "\r\n")
    }
    #expect(error(HTTPLimits.fieldsMax - 1) == nil)
    #expect(error(HTTPLimits.fieldsMax) == nil)
    #expect(error(HTTPLimits.fieldsMax + 1) == .headTooLarge)
  }

  @Test func theHeadIsBounded() {
    func head(_ count: Int) -> String {
      let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
      let filling = String(repeating: "y", count: count - frame.utf8.count)
      return "GET / HTTP/1.1\r\nHost: a\r\nX: \(filling)\r\n\r\n"
    }
    #expect(Heads.error(head(HTTPLimits.headBytesMax - 1)) == nil)
    #expect(Heads.error(head(HTTPLimits.headBytesMax)) == nil)
    #expect(Heads.error(head(HTTPLimits.headBytesMax + 1)) == .headTooLarge)
    // An end that cannot come in time any more is not waited for.
    let endless = Array(head(HTTPLimits.headBytesMax).utf8).dropLast(4) + Array("zzzz".utf8)
    #expect(Heads.error(Array(endless)) == .headTooLarge)
  }

  @Test func lengthsOfFifteenDigitsAreRead() throws {
    let head = try Heads.request(Heads.with("Content-Length: 999999999999999"))
    #expect(head.fields.contentLength == 999_999_999_999_999)
    #expect(
      try Heads.request(Heads.with("Content-Length: 000000000000007")).fields.contentLength == 7)
    #expect(try !Heads.request(Heads.with("Content-Length: 0")).hasBody)
  }

  @Test func everyErrorHasAStatus() {
    #expect(HTTPError.headTooLarge.status == 431)
    #expect(HTTPError.targetTooLong.status == 414)
    #expect(HTTPError.unsupportedVersion.status == 505)
    #expect(HTTPError.unsupportedTransferCoding.status == 501)
    #expect(HTTPError.ambiguousLength.status == 400)
    #expect(HTTPError.malformedChunk.status == 400)
  }
}
