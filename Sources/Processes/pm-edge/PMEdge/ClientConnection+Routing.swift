internal import PMHTTP
internal import PMSystem
internal import PMWire

extension ClientConnection {
  /// Decides who answers a request, and starts that.
  func answer(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) {
    let path = headBytes.extracting(head.path)
    if entrance == .http { return answerPlain(head, headBytes, path) }
    let target = Target(path)
    switch target {
    case .route(let route): request.dialect = route.dialect
    case .unsupported(let dialect), .unknown(let dialect): request.dialect = dialect
    default: break
    }
    if target != .health && !isPaidByKey(target, head) && !isAdmittedWithoutKey(head, headBytes) {
      return answerError(.addressLimit.retrying(after: 1))
    }
    if head.fields.first(.upgrade) != nil { return answerError(.upgradeRefused) }
    switch target {
    case .health: answerHealth(head)
    case .ready: forwardReadiness(head)
    case .route(let route): serve(route, head, headBytes)
    case .admin: serveAdmin(head, headBytes)
    // Without TLS there is no key to speak of.
    case .evidence where entrance == .https: serveEvidence(head, headBytes)
    case .evidence: answerError(.unknownURL)
    case .unsupported: answerError(.unsupportedEndpoint)
    case .unknown: answerError(.unknownURL)
    }
  }

  /// Goes on to core, which asks for a key, under the limit of its address.
  private func isPaidByKey(_ target: Target, _ head: RequestHead) -> Bool {
    guard case .route(let route) = target else { return false }
    return isAllowed(head.method, on: route) && head.fields.first(.upgrade) == nil
  }

  private func isAllowed(_ method: Method, on route: Route) -> Bool {
    route.isPost ? method == .post : method == .get || method == .head
  }

  func isAdmittedWithoutKey(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) -> Bool {
    if entrance == .probe { return true }
    return edge.addresses.admitKeyless(clientAddress(head, headBytes), at: loop.now)
  }

  /// Liveness of the edge alone; a monitor may compare it to the byte.
  func answerHealth(_ head: RequestHead) {
    guard head.method == .get || head.method == .head else {
      return answerError(.methodNotSupported, fields: "Allow: GET, HEAD\r\n")
    }
    let body: StaticString =
      edge.settings.isDevelopment
      ? #"{"status": "healthy", "attestation": "not attested"}"# : #"{"status": "healthy"}"#
    answerLocally(200, "application/json", body.description)
  }

  /// Core is told of no body here, so none may follow: it would be taken for the next request.
  private func forwardReadiness(_ head: RequestHead) {
    guard head.method == .get || head.method == .head else {
      return answerError(.methodNotSupported, fields: "Allow: GET, HEAD\r\n")
    }
    guard !head.hasBody else { return answerError(.malformedRequest, closes: true) }
    let isHead = request.isHead
    forward(to: .core) { out in
      out.append(isHead ? "HEAD " : "GET ")
      out.append(CorePath.ready)
      out.append(" HTTP/1.1\r\nHost: core\r\n\r\n")
    }
  }

  private func serve(
    _ route: Route, _ head: RequestHead, _ headBytes: borrowing Span<UInt8>
  ) {
    request.isAPI = true
    readOrigin(head, headBytes)
    if head.method == .options { return answerPreflight(route, head, headBytes) }
    guard isAllowed(head.method, on: route) else {
      return answerError(.methodNotSupported, fields: "Allow: \(route.methods)\r\n")
    }
    let address = clientAddress(head, headBytes)
    let verdict = edge.addresses.admit(address, at: loop.now)
    guard verdict.isAdmitted else {
      return answerError(
        .addressLimit.retrying(after: verdict.retryAfterSeconds), fields: limitFields(verdict))
    }
    let cap =
      route == .transcriptions ? edge.settings.audioBodyBytesMax : edge.settings.jsonBodyBytesMax
    if let declared = head.fields.contentLength, declared > cap {
      return answerError(.requestTooLarge)
    }
    let id = request.id
    forward(to: .core) { out in
      out.append(route.isPost ? "POST " : request.isHead ? "HEAD " : "GET ")
      out.append(headBytes.extracting(head.path))
      if route == .usage, !head.query.isEmpty {
        out.append("?")
        out.append(headBytes.extracting(head.query))
      }
      out.append(" HTTP/1.1\r\nHost: core\r\n")
      writeOrigin(id, address, to: &out)
      copyFields(head, headBytes, to: &out) { name in
        switch name {
        case .authorization, .xApiKey, .contentType, .contentLength, .anthropicVersion,
          .anthropicBeta, .idempotencyKey, .expect:
          true
        default: false
        }
      }
      if head.fields.isChunked { out.append("Transfer-Encoding: chunked\r\n") }
      out.append("\r\n")
    }
  }

  private func readOrigin(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) {
    guard let range = head.fields.first(.origin), !edge.settings.corsOrigins.isEmpty else { return }
    let origin = String(copying: headBytes.extracting(range))
    if edge.settings.corsOrigins.contains(origin) { request.allowedOrigin = origin }
  }

  private func serveAdmin(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) {
    if let declared = head.fields.contentLength, declared > edge.settings.jsonBodyBytesMax {
      return answerError(.requestTooLarge)
    }
    let method: StaticString
    switch head.method {
    case .get: method = "GET "
    case .head: method = "HEAD "
    case .post: method = "POST "
    case .put: method = "PUT "
    case .patch: method = "PATCH "
    case .delete: method = "DELETE "
    case .options, .other:
      return answerError(
        .methodNotSupported, fields: "Allow: GET, HEAD, POST, PUT, PATCH, DELETE\r\n")
    }
    let address = clientAddress(head, headBytes)
    let id = request.id
    forward(to: .admin) { out in
      out.append(method)
      out.append(headBytes.extracting(head.path))
      if !head.query.isEmpty {
        out.append("?")
        out.append(headBytes.extracting(head.query))
      }
      out.append(" HTTP/1.1\r\n")
      writeOrigin(id, address, to: &out)
      copyFields(head, headBytes, to: &out) { name in
        switch name {
        case .host, .cookie, .origin, .secFetchSite, .xCsrfToken, .contentType, .contentLength,
          .accept, .acceptLanguage, .ifNoneMatch:
          true
        default: false
        }
      }
      if head.fields.isChunked { out.append("Transfer-Encoding: chunked\r\n") }
      out.append("\r\n")
    }
  }

  private func writeOrigin(_ id: RequestID, _ address: InternetAddress, to out: inout ByteBuffer) {
    out.append(EdgeField.requestID)
    out.append(": ")
    id.write(to: &out)
    out.append("\r\n")
    out.append(EdgeField.clientIP)
    out.append(": ")
    if address == peer { out.append(peerText) } else { out.append(address.text) }
    out.append("\r\n")
    if entrance == .https {
      out.append(EdgeField.tls)
      out.append(": 1\r\n")
    }
  }

  private func copyFields(
    _ head: RequestHead, _ headBytes: borrowing Span<UInt8>, to out: inout ByteBuffer,
    where isWanted: (FieldName) -> Bool
  ) {
    for index in 0..<head.fields.count {
      let field = head.fields[index]
      guard isWanted(field.name) else { continue }
      out.append(headBytes.extracting(field.nameRange))
      out.append(": ")
      out.append(headBytes.extracting(field.valueRange))
      out.append("\r\n")
    }
  }

  /// The peer, or whom trusted proxies name: the values of `X-Forwarded-For` are read from the
  /// right, listed networks are skipped, and the first other one is the client.
  func clientAddress(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) -> InternetAddress {
    let trusted = edge.settings.trustedProxies
    guard !trusted.isEmpty, trusted.contains(where: { $0.contains(peer) }) else { return peer }
    var hops: [InternetAddress?] = []
    for index in 0..<head.fields.count where head.fields[index].name == .xForwardedFor {
      headBytes.forEachListItem(in: head.fields[index].valueRange) { item in
        hops.append(InternetAddress(String(copying: headBytes.extracting(item))))
      }
    }
    for hop in hops.reversed() {
      // Not an address: whoever wrote it is not to be believed about anything further left.
      guard let hop else { return peer }
      if !trusted.contains(where: { $0.contains(hop) }) { return hop }
    }
    return peer
  }

  private func limitFields(_ verdict: AddressTable.Verdict) -> String {
    let reset = WallTime.now().seconds + Int64(verdict.retryAfterSeconds)
    return "X-RateLimit-Limit: \(verdict.limit)\r\nX-RateLimit-Remaining: 0\r\n"
      + "X-RateLimit-Reset: \(reset)\r\n"
  }
}
