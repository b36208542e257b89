internal import PMHTTP
internal import PMSystem
internal import PMWire

/// Fields on every answer of the public listeners.
private let securityFields: StaticString = """
  X-Content-Type-Options: nosniff\r
  X-Frame-Options: DENY\r
  X-XSS-Protection: 1; mode=block\r
  Referrer-Policy: strict-origin-when-cross-origin\r
  Permissions-Policy: geolocation=(), microphone=(), camera=()\r

  """
private let transportSecurityField: StaticString =
  "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
private let exposedFields: StaticString = """
  Access-Control-Expose-Headers: X-Request-ID, Request-ID, Retry-After, X-Should-Retry, \
  X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit-Limit-Requests, \
  X-RateLimit-Remaining-Requests, X-RateLimit-Reset-Requests, X-RateLimit-Limit-Tokens, \
  X-RateLimit-Remaining-Tokens, X-RateLimit-Reset-Tokens, Anthropic-RateLimit-Requests-Limit, \
  Anthropic-RateLimit-Requests-Remaining, Anthropic-RateLimit-Requests-Reset, \
  Anthropic-RateLimit-Tokens-Limit, Anthropic-RateLimit-Tokens-Remaining, \
  Anthropic-RateLimit-Tokens-Reset\r

  """

extension ClientConnection {
  /// Writes the head of a backend's answer for the client: what the backend said but for fields of
  /// the hop, then what every answer carries.
  func writeHead(
    of answer: ResponseHead, _ headBytes: borrowing Span<UInt8>, to out: inout ByteBuffer
  ) {
    if answer.fields.isChunked && !takesChunks { request.keepsAlive = false }
    writeStatus(answer.status, to: &out)
    for index in 0..<answer.fields.count {
      let field = answer.fields[index]
      if field.name.isHopByHop || field.name == .internalName { continue }
      // Our own processes write canonical lines: name, colon, one blank, value.
      out.append(headBytes.extracting(Int(field.nameStart)..<Int(field.valueEnd)))
      out.append("\r\n")
    }
    if answer.fields.isChunked && takesChunks { out.append("Transfer-Encoding: chunked\r\n") }
    writeCommonFields(to: &out)
    out.append("\r\n")
  }

  /// `100 Continue`, if the client waits for it.
  func sendContinue() {
    guard request.awaitsContinue else { return }
    request.awaitsContinue = false
    var line = ByteBuffer()
    line.append("HTTP/1.1 100 Continue\r\n\r\n")
    deliver(line.span)
  }

  /// An answer of the edge itself. `fields` are whole lines.
  func answerLocally(
    _ status: Int, _ contentType: StaticString, _ body: String, fields: String = ""
  ) {
    if isClosed || phase == .closing { return }
    var out = ByteBuffer()
    writeStatus(status, to: &out)
    if !body.isEmpty || status != 204 {
      out.append("Content-Type: ")
      out.append(contentType)
      out.append("\r\nContent-Length: ")
      out.append(decimal: body.utf8.count)
      out.append("\r\n")
    }
    out.append(fields)
    writeCommonFields(to: &out)
    out.append("\r\n")
    if !request.isHead { out.append(body) }
    deliver(out.span)
    if !isClosed { answerEnded() }
  }

  /// An error in the envelope of the request's dialect.
  func answerError(_ error: APIError, fields: String = "", closes: Bool = false) {
    if closes { request.keepsAlive = false }
    if request.id.bits == 0 { request.id = edge.makeRequestID() }
    var fields = fields
    if let seconds = error.retryAfterSeconds { fields += "Retry-After: \(seconds)\r\n" }
    if error.saysNoRetry { fields += "X-Should-Retry: false\r\n" }
    let body = error.body(request.dialect, requestID: request.id.text)
    answerLocally(error.status, "application/json", body, fields: fields)
  }

  /// Answers a message that is not HTTP as we know it; where the next one begins is unknown.
  func refuse(_ error: HTTPError) {
    if isClosed || phase == .closing { return }
    let answer: APIError =
      switch error {
      case .headTooLarge: .headTooLarge
      case .targetTooLong: .targetTooLong
      case .unsupportedVersion: .unsupportedVersion
      case .unsupportedTransferCoding: .unsupportedCoding
      default: .malformedRequest
      }
    // An answer that has begun can only be broken off.
    guard !request.isAnswered, leaveBackend() else { return close() }
    request.isMalformed = true
    answerError(answer, closes: true)
  }

  private func writeStatus(_ status: Int, to out: inout ByteBuffer) {
    out.append("HTTP/1.1 ")
    out.append(decimal: status)
    out.append(" ")
    out.append(reasonPhrase(status))
    out.append("\r\n")
  }

  private func writeCommonFields(to out: inout ByteBuffer) {
    out.append("X-Request-ID: ")
    request.id.write(to: &out)
    out.append("\r\n")
    if request.dialect == .anthropic {
      out.append("Request-ID: ")
      request.id.write(to: &out)
      out.append("\r\n")
    }
    out.append(securityFields)
    if entrance == .https { out.append(transportSecurityField) }
    if request.isAPI && request.hasOrigin {
      writeAllowedOrigin(to: &out)
      out.append(exposedFields)
    }
    if !request.keepsAlive || edge.isDraining { out.append("Connection: close\r\n") }
  }

  private func writeAllowedOrigin(to out: inout ByteBuffer) {
    if edge.settings.corsOrigins.isEmpty {
      out.append("Access-Control-Allow-Origin: *\r\n")
    } else if let origin = request.allowedOrigin {
      out.append("Access-Control-Allow-Origin: ")
      out.append(origin)
      out.append("\r\nVary: Origin\r\n")
    }
  }

  /// The answer to a browser that asks before it calls. It carries no key, so none is asked for.
  func answerPreflight(_ route: Route, _ head: RequestHead, _ headBytes: borrowing Span<UInt8>) {
    var fields = "Access-Control-Allow-Methods: \(route.methods)\r\nAccess-Control-Max-Age: 600\r\n"
    fields += "Access-Control-Allow-Headers: Authorization, Content-Type, X-API-Key"
    fields += ", Anthropic-Version, Anthropic-Beta, Idempotency-Key"
    if let asked = head.fields.first(.accessControlRequestHeaders) {
      headBytes.forEachListItem(in: asked) { item in
        if isFieldName(headBytes, item) {
          fields += ", " + String(copying: headBytes.extracting(item))
        }
      }
    }
    answerLocally(204, "text/plain", "", fields: fields + "\r\n")
  }

  private func isFieldName(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard range.count <= 64 else { return false }
    for offset in range {
      switch bytes[offset] {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: continue
      default: return false
      }
    }
    return true
  }
}

/// The usual phrase of a status (RFC 9110, 15); clients ignore it.
func reasonPhrase(_ status: Int) -> StaticString {
  switch status {
  case 200: "OK"
  case 201: "Created"
  case 204: "No Content"
  case 302: "Found"
  case 303: "See Other"
  case 304: "Not Modified"
  case 308: "Permanent Redirect"
  case 400: "Bad Request"
  case 401: "Unauthorized"
  case 403: "Forbidden"
  case 404: "Not Found"
  case 405: "Method Not Allowed"
  case 408: "Request Timeout"
  case 409: "Conflict"
  case 413: "Content Too Large"
  case 414: "URI Too Long"
  case 422: "Unprocessable Content"
  case 429: "Too Many Requests"
  case 431: "Request Header Fields Too Large"
  case 500: "Internal Server Error"
  case 501: "Not Implemented"
  case 502: "Bad Gateway"
  case 503: "Service Unavailable"
  case 504: "Gateway Timeout"
  case 505: "HTTP Version Not Supported"
  default: "Status"
  }
}
