internal import PMSystem

/// A whole answer. Edge adds the security fields that every answer of the appliance carries.
struct Response: Sendable {
  enum Status: Int, Sendable {
    case ok = 200
    case found = 302
    case badRequest = 400, forbidden = 403, notFound = 404, methodNotAllowed = 405
    case contentTooLarge = 413, unprocessable = 422, tooManyRequests = 429
    case badGateway = 502
  }
  enum Kind: String, Sendable {
    case page = "text/html; charset=utf-8"
    case text = "text/plain; charset=utf-8"
    case style = "text/css; charset=utf-8"
  }
  enum CookieChange: Equatable, Sendable {
    case set(String)
    case clear
  }

  var status: Status
  var kind: Kind
  var body: String
  /// Where to go next; made of constants and checked ids only.
  var location: String?
  var cookie: CookieChange?
  var retryAfterSeconds: UInt64?
  var allow: StaticString?
  var mayBeStored = false

  init(_ status: Status, _ kind: Kind, _ body: String) {
    (self.status, self.kind, self.body) = (status, kind, body)
  }

  static func page(_ page: HTML, _ status: Status = .ok) -> Response {
    Response(status, .page, page.text)
  }
  static func text(_ status: Status, _ text: String) -> Response {
    Response(status, .text, text + "\n")
  }
  static func redirect(_ location: String) -> Response {
    var response = Response(.found, .text, "")
    response.location = location
    return response
  }

  /// Nothing but our own style sheet is loaded, no script runs, forms go nowhere else.
  static let contentSecurityPolicy: StaticString = """
    default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'
    """

  /// The answer as HTTP/1.1 (RFC 9112).
  func bytes(keepAlive: Bool, withBody: Bool = true) -> [UInt8] {
    var head = "HTTP/1.1 \(status.rawValue) \(status.phrase)\r\n"
    head += "Content-Type: \(kind.rawValue)\r\nContent-Length: \(body.utf8.count)\r\n"
    head += "Content-Security-Policy: \(Self.contentSecurityPolicy)\r\n"
    head += mayBeStored ? "Cache-Control: public, max-age=3600\r\n" : "Cache-Control: no-store\r\n"
    if let location { head += "Location: \(location)\r\n" }
    if let retryAfterSeconds { head += "Retry-After: \(retryAfterSeconds)\r\n" }
    if let allow { head += "Allow: \(allow)\r\n" }
    if let cookie { head += "Set-Cookie: \(cookie.text)\r\n" }
    if !keepAlive { head += "Connection: close\r\n" }
    return Array((head + "\r\n").utf8) + (withBody ? Array(body.utf8) : [])
  }
}

extension Response.CookieChange {
  fileprivate var text: String {
    let rules = "Path=/; Secure; HttpOnly; SameSite=Strict"
    return switch self {
    case .set(let value):
      "\(Request.cookieName)=\(value); Max-Age=\(AdminLimits.sessionSecondsMax); \(rules)"
    case .clear: "\(Request.cookieName)=; Max-Age=0; \(rules)"
    }
  }
}

extension Response.Status {
  fileprivate var phrase: StaticString {
    switch self {
    case .ok: "OK"
    case .found: "Found"
    case .badRequest: "Bad Request"
    case .forbidden: "Forbidden"
    case .notFound: "Not Found"
    case .methodNotAllowed: "Method Not Allowed"
    case .contentTooLarge: "Content Too Large"
    case .unprocessable: "Unprocessable Content"
    case .tooManyRequests: "Too Many Requests"
    case .badGateway: "Bad Gateway"
    }
  }
}
