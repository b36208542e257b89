/// The pretend gateway and model server behind the binary.
extension Exchange {
  private static let userBytesMax = 50 << 20
  private static let unstructuredBytesMax = 25 << 20
  /// The binary's pause before it repeats a request whose connection was reset.
  private static let resetPauseMilliseconds = 50

  func forward(_ call: Call) throws(Refusal) {
    let fault =
      standIn.rules.fault(path: head.path, model: call.model)
      ?? call.model.flatMap(servedTrigger) ?? Fault()
    record.faults = fault.names
    if let event = fault.event { standIn.keeper.happen(event) }
    if let death = fault.death { StandIn.die(death) }
    if let text = fault.binaryError { throw .binary(500, text.text) }

    record.upstreamAt = standIn.recorder.now
    record.upstreamRuns = 1
    standIn.recorder.update(record)
    try checkAtGateway(call)
    guard wire.waits(milliseconds: fault.firstByteMilliseconds) else { throw .clientLeft }
    if fault.hangsBeforeHead {
      wire.waitsForLeaving()
      throw .clientLeft
    }
    try retryWhenAsked(fault)
    if try replyWithError(fault) { return }
    try replyWithAnswer(call, fault)
    if record.isComplete { log("Forwarding finished successfully") }
  }

  /// A trigger counts only when the scenario lists it among the models.
  private func servedTrigger(_ model: Bytes) -> Fault? {
    standIn.scenario.models.contains { $0.id == model } ? Fault.trigger(model: model) : nil
  }

  private func checkAtGateway(_ call: Call) throws(Refusal) {
    guard let key = standIn.apiKey ?? head.bearer else { throw .gateway(401, BinaryText.noKey) }
    guard standIn.keeper.accepts(key) else { throw .gateway(401, BinaryText.invalidKey) }
    let isUnstructured = call.route == .unstructured
    let limit = isUnstructured ? Self.unstructuredBytesMax : Self.userBytesMax
    let content = call.form.files["file"]?.count ?? call.body.count
    guard content <= limit else {
      throw .gateway(413, isUnstructured ? BinaryText.fileTooLarge : BinaryText.tooLarge)
    }
  }

  private func retryWhenAsked(_ fault: Fault) throws(Refusal) {
    guard fault.losesSecretOnce || fault.losesConnectionOnce else { return }
    let isReset = fault.losesConnectionOnce
    let message = isReset ? "read: connection reset by peer" : BinaryText.lostSecret
    standIn.log.warn(
      "Request failed, checking retry conditions",
      [
        "message": .text(message), "statusCode": .number(isReset ? -1 : 500), "attempt": 1,
        "shouldRetry": .truth(true),
        "requestID": .text(head["x-request-id"]?.text ?? "unknown"),
      ])
    let pause = isReset ? Self.resetPauseMilliseconds : 0
    guard wire.waits(milliseconds: pause) else { throw .clientLeft }
    record.upstreamRuns += 1
    standIn.recorder.update(record)
  }

  /// The error that a rule asks for; false when it asks for none.
  private func replyWithError(_ fault: Fault) throws(Refusal) -> Bool {
    if let status = fault.pageStatus {
      logUpstream(status)
      throw .binary(500, BinaryText.invalidPage)
    }
    if fault.isTruncated { throw .binary(500, BinaryText.truncated) }
    guard let status = fault.status else { return false }
    if status.code >= 400 { logUpstream(status.code) }
    let fields = gatewayFields(isEncrypted: status.isEncrypted, fault)
    reply(status.code, fields, status.body ?? Self.body(of: status))
    return true
  }

  private static func body(of status: Fault.Status) -> Bytes {
    let message = status.message ?? Bytes("stand-in error \(status.code)")
    guard status.isEncrypted else { return BinaryText.errorBody(message.text) }
    let type = status.code < 500 ? "BadRequestError" : "InternalServerError"
    return ModelError(
      status: status.integerCode ?? status.code, type: type, message: message.text
    ).body
  }

  private func replyWithAnswer(_ call: Call, _ fault: Fault) throws(Refusal) {
    let desk = AnswerDesk(standIn: standIn, call: call, fault: fault, number: record.number)
    let answer: Answer
    do throws(ModelError) {
      answer = try desk.answer()
    } catch {
      logUpstream(error.status)
      reply(error.status, gatewayFields(isEncrypted: true, fault), error.body)
      return
    }
    switch answer {
    case .notJSON: throw .binary(500, BinaryText.invalidPage)
    case .whole(let body, let usage):
      reply(200, gatewayFields(isEncrypted: nil, fault), body)
      guard !record.didClientLeave else { return }
      record.isComplete = true
      record.reported = usage
    case .stream(let script):
      record.status = 200
      let type = "text/event-stream; charset=utf-8"
      responder.beginStream(gatewayFields(isEncrypted: nil, fault, type: type))
      play(script, fault)
    }
  }
}
