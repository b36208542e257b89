/// One request and its answer, in the binary's order of processing (6.5).
final class Exchange {
  let standIn: StandIn
  let wire: Wire
  let head: RequestHead
  let responder: Responder
  var record = Record()
  private let remote: String
  private var body: Bytes?
  private var isConnectionUsable = true

  init(standIn: StandIn, wire: Wire, head: RequestHead, remote: String) {
    self.standIn = standIn
    self.wire = wire
    self.head = head
    self.remote = remote
    responder = Responder(wire: wire, head: head, date: standIn.dateText)
  }

  /// Answers; false when the connection ends with it.
  func run(_ reader: inout RequestReader) -> Bool {
    record.method = head.method
    record.path = head.path
    record.query = head.query
    record.headers = head.fields
    record.headAt = standIn.recorder.now
    standIn.recorder.open(&record)
    do throws(Refusal) {
      try answer(&reader)
    } catch {
      refuse(error, &reader)
    }
    if let copy = responder.copy { dump(copy, "response") }
    record.endAt = standIn.recorder.now
    standIn.recorder.close(record)
    return isConnectionUsable && responder.keeps
  }

  private func answer(_ reader: inout RequestReader) throws(Refusal) {
    if standIn.options.dumpsRequests {
      dump(try body(&reader), "request")
      responder.copy = []
    }
    if let bearer = head.bearer { try standIn.keeper.admit(bearer, wire) }
    switch Route.match(head.path) {
    case .missing:
      discard(&reader)
      let fields = [
        HeaderField("Content-Type", "text/plain; charset=utf-8"),
        HeaderField("X-Content-Type-Options", "nosniff"),
      ]
      reply(404, fields, Bytes("404 page not found\n"))
    case .redirect(let path):
      discard(&reader)
      redirect(to: path)
    case .found(let route):
      if route.isEncrypted { try standIn.keeper.requireSecret(wire) }
      let body = try body(&reader)
      log("Forwarding request")
      try forward(route.hasModel ? prepare(route, body) : Call(route: route, body: body))
    }
  }

  private func redirect(to path: Bytes) {
    let target = head.query.isEmpty ? path : path + Bytes("?") + head.query
    let isRead = head.method.isEqual(to: "GET") || head.method.isEqual(to: "HEAD")
    var fields = [HeaderField(Bytes("Location"), target)]
    if isRead { fields.append(HeaderField("Content-Type", "text/html; charset=utf-8")) }
    let page = Bytes("<a href=\"") + target + Bytes("\">Temporary Redirect</a>.\n\n")
    reply(307, fields, isRead ? page : [])
  }

  // MARK: Body

  private func body(_ reader: inout RequestReader) throws(Refusal) -> Bytes {
    if let body { return body }
    do throws(RequestReader.Broken) {
      let content = try reader.body(of: head) {
        let now = standIn.recorder.now
        record.bodyLastAt = now
        guard record.bodyFirstAt == nil else { return }
        record.bodyFirstAt = now
        standIn.recorder.update(record)
      }
      body = content
      record.bodyBytes = content.count
      record.bodyDigest = Digest.sha256(content)
      return content
    } catch {
      throw .clientLeft
    }
  }

  private func discard(_ reader: inout RequestReader) {
    guard body == nil, !reader.discard(head) else { return }
    responder.keeps = false
  }

  // MARK: Answers

  /// Sends a whole answer, and notes it.
  func reply(_ status: Int, _ fields: [HeaderField], _ body: Bytes) {
    record.status = status
    if !responder.send(status, fields, body) { noteLeaving() }
  }

  func noteLeaving() {
    record.didClientLeave = true
    isConnectionUsable = false
    log("Connection closed by client before forwarding finished", level: .warn)
  }

  /// Cuts the connection with a reset, as a crash of the binary would.
  func cut() {
    wire.armReset()
    isConnectionUsable = false
  }

  private func refuse(_ refusal: Refusal, _ reader: inout RequestReader) {
    switch refusal {
    case .clientLeft: noteLeaving()
    case .connectionDropped: isConnectionUsable = false
    case .binary(let status, let message):
      discard(&reader)
      log("Failed to forward request", level: .error, error: message)
      replyAsBinary(status, message)
    case .gateway(let status, let message):
      logUpstream(status)
      reply(status, gatewayFields(isEncrypted: false), BinaryText.errorBody(message))
    }
  }

  /// The binary's own error, in the form that `Accept` asks for.
  private func replyAsBinary(_ status: Int, _ message: String) {
    let object = BinaryText.errorBody(message)
    let isStream = head["accept"]?.isEqual(to: "text/event-stream") == true
    let type = isStream ? "text/event-stream" : "application/json"
    let fields = [
      HeaderField("Content-Type", type), HeaderField("Privatemode-Encrypted", "false"),
      HeaderField("X-Content-Type-Options", "nosniff"),
    ]
    let body =
      isStream ? Bytes("event: error\n\ndata: ") + object + Bytes("\n\n") : object
    reply(status, fields, body)
  }

  /// What the pretend gateway puts on an answer.
  func gatewayFields(
    isEncrypted: Bool?, _ fault: Fault = Fault(), type: String = "application/json"
  ) -> [HeaderField] {
    var fields = [HeaderField("Content-Type", type)]
    if let isEncrypted { fields.append(HeaderField("Privatemode-Encrypted", "\(isEncrypted)")) }
    let number = padded(record.number, 12)
    fields.append(HeaderField("X-Request-ID", "00000000-0000-7000-8000-\(number)"))
    fields += standIn.scenario.extraHeaders
    // A rule's field takes the place of the gateway's own, so that a rule can say any head at all.
    fields.removeAll { field in
      fault.headers.contains { $0.name.isEqualIgnoringCase(field.name.text) }
    }
    return fields + fault.headers
  }

  // MARK: Log and dumps

  func log(_ message: String, level: Log.Level = .info, error: String? = nil) {
    let target = head.query.isEmpty ? head.path : head.path + Bytes("?") + head.query
    let attributes: Log.Attributes = [
      "remoteAddress": .text(remote), "method": .text(head.method.text),
      "path": .text(target.text), "requestID": .text(head["x-request-id"]?.text ?? "unknown"),
      "userAgent": .text(head["user-agent"]?.text ?? ""), "shardKey": .text(shardKey),
      "contentLength": .number(body?.count ?? -1),
      "responseStatus": record.status.map(Log.Attribute.number),
      "error": error.map(Log.Attribute.text),
    ]
    standIn.log.write(level, message, attributes)
  }

  func logUpstream(_ status: Int) {
    let attributes: Log.Attributes = [
      "statusCode": .number(status), "requestID": .text(head["x-request-id"]?.text ?? "unknown"),
    ]
    let message = "Upstream returned an error status code"
    standIn.log.write(status >= 500 ? .error : .warn, message, attributes)
  }

  private var shardKey: String {
    record.cacheSalt.map { String(Digest.sha256($0).hexadecimal.prefix(16)) } ?? ""
  }

  /// A file below `requests/`, which exists so that a test can prove its absence.
  private func dump(_ content: Bytes, _ kind: String) {
    let folder = standIn.options.inWorkspace("requests")
    var text = content
    if kind == "request" {
      var lines = "\(head.method.text) \(head.target.text)\n"
      for field in head.fields { lines += "\(field.name.text): \(field.value.text)\n" }
      text = Bytes(lines + "\n") + content
    }
    do throws(FileFault) {
      try Files.makeDirectory(folder)
      try Files.write(text, to: "\(folder)/\(padded(record.number, 6))_\(kind).txt")
    } catch {
      log("Failed to dump request", level: .error, error: error.goText)
    }
  }
}
