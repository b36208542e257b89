internal import PMHTTP
internal import PMSystem

/// One whole request from edge, as far as the pages need it.
struct Request: Sendable {
  var method = Method.get
  /// The path, without a slash at its end.
  var path = ""
  var query = Form.none
  /// The body, if it is a form.
  var form = Form.none
  var host = ""
  /// Value of the session cookie.
  var cookie: String?
  var origin: String?
  var fetchSite: String?
  /// The client as edge saw it; `.any` if nobody said, as when a person asks by the socket.
  var client = InternetAddress.any

  static let cookieName = "__Host-admin_session"
}

extension Request {
  /// Reads a whole head and its body. A body that is no form stays unread.
  init(_ head: RequestHead, _ bytes: borrowing Span<UInt8>, body: [UInt8]) throws(Form.Fault) {
    func text(_ range: Range<Int>) -> String { String(copying: bytes.extracting(range)) }
    func value(_ name: FieldName) -> String? { head.fields.first(name).map { text($0) } }
    method = head.method
    path = text(head.path)
    while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
    query = try Form(text(head.query).utf8)
    let type = value(.contentType)?.lowercased() ?? ""
    if type.hasPrefix("application/x-www-form-urlencoded") { form = try Form(body) }
    host = value(.host) ?? ""
    origin = value(.origin)
    fetchSite = value(.secFetchSite)
    cookie = value(.cookie).flatMap { Self.cookie(in: $0) }
    for index in 0..<head.fields.count where head.fields[index].name == .internalName {
      let field = head.fields[index]
      if bytes.equals(field.nameRange, ignoringCase: "pm-client-ip") {
        client = InternetAddress(text(field.valueRange)) ?? .any
      }
    }
  }

  /// Our cookie among all of the field (RFC 6265, 5.4).
  static func cookie(in field: String) -> String? {
    for pair in field.split(separator: ";") {
      let trimmed = pair.drop { $0 == " " }
      guard trimmed.hasPrefix(cookieName), trimmed.dropFirst(cookieName.count).first == "=" else {
        continue
      }
      return String(trimmed.dropFirst(cookieName.count + 1))
    }
    return nil
  }

  /// False if a browser says that another site made it ask. Programs say nothing, and may.
  var isFromOwnPages: Bool {
    if let fetchSite, fetchSite != "same-origin", fetchSite != "none" { return false }
    if let origin, origin != "https://\(host)" { return false }
    return true
  }
}
