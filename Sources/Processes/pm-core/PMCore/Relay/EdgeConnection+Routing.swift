import PMHTTP
import PMSystem
import PMWire

extension EdgeConnection {
  /// Decides who answers. Core trusts the edge's form, and parses it as strictly all the same.
  func answer(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) {
    let path = headBytes.extracting(head.path)
    if path.equals(0..<path.count, CorePath.alive) { return respond(200, "", "{}") }
    if path.equals(0..<path.count, CorePath.ready) { return respondReadiness() }
    let found = Self.route(path)
    exchange = Exchange(route: found)
    guard let route = found else { return respond(.unknownURL, .openAI, RequestID(0)) }
    let requestID = Self.requestID(head, headBytes)
    let wall = WallTime.now()
    switch authenticate(head, headBytes, at: wall) {
    case .refused(let error): respond(error, route.dialect, requestID)
    case .admitted(let key):
      // Before it counts: who has a secret in the wrong place shall not use up its holder's limit.
      guard isAllowed(key, head, headBytes) else {
        return respond(.notAllowed, route.dialect, requestID)
      }
      let decision = core.admission.admit(
        key, at: loop.now, wall: wall, isMetered: RouteSet.metered.contains(route))
      if let error = decision.error {
        return respond(
          error, route.dialect, requestID, fields: decision.fields(nil, route.dialect))
      }
      guard key.details.policy.allows(route) else {
        return respond(
          .notAllowed, route.dialect, requestID, fields: decision.fields(nil, route.dialect))
      }
      serve(route, head, headBytes, key, decision, requestID, wall)
    }
  }

  /// The edge's id of the request; one of ours if it gave none, as when core is run by hand.
  private static func requestID(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>)
    -> RequestID
  {
    if let range = range(of: "pm-request-id", in: head, headBytes),
      let id = RequestID(headBytes.extracting(range))
    {
      return id
    }
    var random = KernelRandom()
    return RequestID(at: .now(), random: (random.next(), random.next()))
  }

  /// Whether a key may be used from where the request comes.
  private func isAllowed(
    _ key: KeyRecord, _ head: RequestHead, _ headBytes: borrowing Span<UInt8>
  ) -> Bool {
    if key.details.policy.networks == nil { return true }
    let range = Self.range(of: "pm-client-ip", in: head, headBytes)
    let text = range.map { String(copying: headBytes.extracting($0)) }
    return key.details.policy.allows(text.flatMap { InternetAddress($0) })
  }

  /// The value of a field that only the edge writes.
  private static func range(
    of name: StaticString, in head: RequestHead, _ headBytes: borrowing Span<UInt8>
  ) -> Range<Int>? {
    for index in 0..<head.fields.count where head.fields[index].name == .internalName {
      let field = head.fields[index]
      if headBytes.equals(field.nameRange, ignoringCase: name) { return field.valueRange }
    }
    return nil
  }

  private static func route(_ path: borrowing Span<UInt8>) -> Route? {
    for route in Route.allCases {
      let length = route.path.utf8CodeUnitCount
      let fits = route.hasName ? path.count > length : path.count == length
      if fits, path.equals(0..<length, route.path) { return route }
    }
    return nil
  }

  /// What follows the path of a route that goes on with a name.
  private static func name(
    _ route: Route, _ head: RequestHead, _ headBytes: borrowing Span<UInt8>
  ) -> String {
    let start = head.path.lowerBound + route.path.utf8CodeUnitCount
    return String(copying: headBytes.extracting(start..<head.path.upperBound))
  }

  private enum Authentication {
    case admitted(KeyRecord)
    case refused(APIError)
  }

  /// `Authorization: Bearer` decides, even where `X-API-Key` would be right; another scheme is no
  /// key at all.
  private func authenticate(
    _ head: RequestHead, _ headBytes: borrowing Span<UInt8>, at time: WallTime
  ) -> Authentication {
    var secret: Range<Int>?
    if let range = head.fields.first(.authorization), range.count >= 6,
      headBytes.equals(range.lowerBound..<range.lowerBound + 6, ignoringCase: "bearer"),
      range.count == 6 || headBytes[range.lowerBound + 6] == 0x20
        || headBytes[range.lowerBound + 6] == 0x09
    {
      secret = headBytes.trimmingBlanks(range.lowerBound + 6..<range.upperBound)
    } else if let range = head.fields.first(.xApiKey) {
      secret = range
    }
    guard let secret, !secret.isEmpty else { return .refused(.keyMissing) }
    switch core.keys.check(headBytes.extracting(secret), at: time) {
    case .valid(let key): return .admitted(key)
    case .unknown: return .refused(.keyInvalid)
    case .expired: return .refused(.keyExpired)
    case .disabled: return .refused(.keyDisabled)
    }
  }

  private func serve(
    _ route: Route, _ head: RequestHead, _ headBytes: borrowing Span<UInt8>, _ key: KeyRecord,
    _ decision: LimitDecision, _ id: RequestID, _ wall: WallTime
  ) {
    switch route {
    case .keyInfo: respond(200, noStore, key.details.keyInfo)
    case .key:
      core.admission.turn(key, to: wall)
      let tokens = core.admission.tokenStanding(key, at: loop.now)
      respond(
        200, noStore + decision.fields(tokens, route.dialect),
        key.ownEntry(decision, tokens, at: wall))
    case .usage:
      let query = String(copying: headBytes.extracting(head.query))
      answerUsage(query, of: key, noStore + decision.fields(nil, route.dialect), id, wall)
    case .models: core.modelList?.answer(self, key, model: nil, decision, id)
    case .model:
      let name = Self.name(route, head, headBytes)
      core.modelList?.answer(self, key, model: name, decision, id)
    case .receipt:
      core.receipts.answer(
        self, Self.name(route, head, headBytes), key, decision.fields(nil, route.dialect), id)
    default:
      guard core.hasRoom else { return respond(.overloaded, route.dialect, id) }
      guard core.canReserve else { return respond(.ledgerUnavailable, route.dialect, id) }
      let call = Call(route, key, decision, id, wall, of: core, for: self)
      guard call.prepare(head, headBytes) else { return }
      begin(call)
      core.callBegan(key)
      if head.expectsContinue { sendContinue() }
    }
  }

  private func answerUsage(
    _ query: String, of key: KeyRecord, _ fields: String, _ id: RequestID, _ wall: WallTime
  ) {
    core.holders.answer(query, of: key, at: wall) { [weak self] answer in
      switch answer {
      case .response(let response):
        self?.respond(response.status, fields, String(decoding: response.bytes, as: UTF8.self))
      case .error(let error): self?.respond(error, .openAI, id, fields: fields)
      }
    }
  }

  private var noStore: String { "Cache-Control: no-store\r\n" }

  private func respondReadiness() {
    var reasons: [String] = []
    if core.isDraining { reasons.append("core_draining") }
    if core.ledgerStanding != .open { reasons.append("ledger_unavailable") }
    if core.health.isDraining || core.health.state != .up {
      reasons.append("vendor_\(core.health.word.replacingDashes)")
    }
    let list = reasons.map { "\"\($0)\"" }.joined(separator: ",")
    respond(
      reasons.isEmpty ? 200 : 503, noStore,
      #"{"ready":\#(reasons.isEmpty),"reasons":[\#(list)]}"#)
  }
}

extension String {
  fileprivate var replacingDashes: String {
    String(map { $0 == "-" ? "_" : $0 })
  }
}
