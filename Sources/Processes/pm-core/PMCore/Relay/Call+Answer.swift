import PMHTTP
import PMLog
import PMSystem
import PMWire

/// What a call does with the vendor's answer.
extension Call {
  func leaveVendor() {
    // A stream is cancelled: tokens for nobody. Any other answer comes whole or not at all, and
    // what it costs is only known from its end.
    if !facts.isStream, core.takeDrain() {
      isDrain = true
      vendor?.expect(within: CoreBounds.drainSecondsMax)
      return
    }
    cancelVendor()
    var usage = answer?.usageSoFar(of: self) ?? promptEstimate()
    usage.flags.formUnion([.partial, .clientGone])
    settle(usage, status: 499)
  }

  func cancelVendor() {
    vendor?.abandon()
    vendor = nil
  }

  /// Tokens of the prompt by the written rule: a quarter of its bytes.
  func promptEstimate() -> Usage {
    var usage = Usage()
    usage.source = .estimate
    usage.flags = .unknown
    if route == .transcriptions {
      usage.audioMilliseconds = facts.audioMilliseconds ?? 0
      usage.bytes = Int64(facts.bodyBytes)
    } else {
      usage.fresh = Int64(facts.bodyBytes + 3) / 4
    }
    return usage
  }

  func began(_ head: ResponseHead, _ bytes: borrowing Span<UInt8>) {
    firstByteMilliseconds = Int32(clamping: core.events.now.millisecondsSince(began))
    phase = .answering
    if head.status == 200 {
      core.health.succeeded()
      let type = head.fields.first(.contentType)
      let isEvents = type.map { Self.isEventStream(bytes, $0) } ?? false
      answer =
        isEvents
        ? .events(EventAnswer(route.dialect, showsUsage: facts.asksForUsage))
        : .whole(WholeAnswer(length: head.fields.contentLength))
    } else {
      answer = .fault(FaultAnswer(head, bytes))
    }
    if isDrain { return }
    vendor?.expect(within: CoreBounds.keepAliveSeconds)
  }

  private static func isEventStream(_ bytes: borrowing Span<UInt8>, _ type: Range<Int>) -> Bool {
    type.count >= 17
      && bytes.equals(type.lowerBound..<type.lowerBound + 17, ignoringCase: "text/event-stream")
  }

  func continued(_ piece: borrowing Span<UInt8>, isLast: Bool) {
    if isLast { vendor = nil }
    if isDrain {
      drainedBytes += piece.count
      if drainedBytes > CoreBounds.drainBytesMax && !isLast { return stopDraining() }
    }
    switch answer {
    case .whole: wholeContinued(piece, isLast: isLast)
    case .events: eventsContinued(piece, isLast: isLast)
    case .fault: faultContinued(piece, isLast: isLast)
    case .none: break
    }
  }

  private func stopDraining() {
    cancelVendor()
    var usage = promptEstimate()
    usage.flags.formUnion([.partial, .clientGone])
    settle(usage, status: 499)
  }

  // MARK: Whole answers

  private func wholeContinued(_ piece: borrowing Span<UInt8>, isLast: Bool) {
    guard case .whole(let whole) = answer else { return }
    whole.meter.take(piece)
    if whole.hasBegun || whole.held.count + piece.count > CoreBounds.heldAnswerBytesMax {
      pass(whole)
    }
    whole.held.append(piece)
    if isLast { end(whole) }
    slowDown()
  }

  /// A long answer goes on as it comes, but for its last piece.
  private func pass(_ whole: WholeAnswer) {
    guard let client else { return whole.held.clear() }
    core.outbound.clear()
    if !whole.hasBegun {
      whole.hasBegun = true
      writeAnswerHead(length: whole.length, to: &core.outbound)
    }
    if whole.length == nil {
      writeClientChunk(whole.held)
    } else {
      core.outbound.append(whole.held.span)
    }
    whole.held.clear()
    client.write(core.outbound)
  }

  private func end(_ whole: WholeAnswer) {
    let usage: Usage
    var flags: Usage.Flags = client == nil ? .clientGone : []
    if let report = whole.meter.report {
      usage = report.usage(
        flags: flags, bodyBytes: facts.bodyBytes, isAudio: route == .transcriptions)
    } else if whole.meter.isWhole {
      flags.insert(.unknown)
      var estimate = promptEstimate()
      if route != .embeddings && route != .transcriptions {
        estimate.output = Int64(whole.meter.bytes + 3) / 4
      }
      estimate.flags = flags
      usage = estimate
    } else {
      // 200 with a body that is none: nothing was delivered.
      var failed = Usage()
      failed.flags = [.failed, .unknown]
      ending = whole.hasBegun ? .abort : .error(.vendorError, text: nil)
      return settle(failed, status: 502)
    }
    ending = .complete
    settle(usage, status: 200)
  }

  // MARK: Streams

  private func eventsContinued(_ piece: borrowing Span<UInt8>, isLast: Bool) {
    guard case .events(let stream) = answer else { return }
    core.outbound.clear()
    let isFaulty = !stream.take(piece)
    if !isDrain { vendor?.expect(within: CoreBounds.keepAliveSeconds) }
    stream.lastEventAt = core.events.now
    if !stream.hasBegun && client != nil {
      stream.hasBegun = true
      writeStreamHead(to: &core.outbound)
    }
    if !stream.passing.isEmpty {
      writeClientChunk(stream.passing)
      stream.passing.clear()
    }
    client?.write(core.outbound)
    let isWhole = stream.meter.isComplete
    if isFaulty {
      endStream(stream, .streamTruncated)
    } else if isLast {
      if isWhole { endWhole(stream) } else { endStream(stream, .streamTruncated) }
    }
    slowDown()
  }

  private func endWhole(_ stream: EventAnswer) {
    var usage = stream.usage(of: self)
    if client == nil { usage.flags.insert(.clientGone) }
    if stream.meter.hasError { usage.flags.insert(.failed) }
    ending = .complete
    settle(usage, status: 200)
  }

  /// A broken stream is told to the client as an error, never as a clean end.
  private func endStream(_ stream: EventAnswer, _ error: APIError) {
    cancelVendor()
    Log.write(.core(.vendorFault(StaticWord("stream-broken"))))
    var usage = stream.usage(of: self)
    if stream.meter.events == 0 && stream.meter.report == nil {
      usage = Usage()
      usage.flags = [.failed, .unknown]
    } else {
      usage.flags.insert(.partial)
    }
    stream.terminator.clear()
    let text = error.body(route.dialect, requestID: id.text)
    stream.terminator.append(
      route.dialect == .anthropic ? "event: error\ndata: \(text)\n\n" : "data: \(text)\n\n")
    ending = .abort
    settle(usage, status: error.status)
  }

  // MARK: Faults

  private func faultContinued(_ piece: borrowing Span<UInt8>, isLast: Bool) {
    guard case .fault(let fault) = answer else { return }
    fault.take(piece)
    if isLast {
      let meaning = fault.meaning
      core.health.failed(meaning, at: core.events.now)
      Log.write(.core(.vendorFault(StaticWord("status"))))
      var usage = Usage()
      usage.flags = .failed
      let text = fault.text
      ending = .error(meaning.error, text: text)
      settle(usage, status: meaning.error.status)
    }
  }

  func lost(hasBegun: Bool) {
    let wasConnected = vendor?.isConnected ?? false
    vendor = nil
    if phase == .receiving {
      core.health.unreachable()
      return refuse(.vendorStarting)
    }
    guard
      phase == .asking || phase == .answering || phase == .reserving || phase == .waitingForVendor
    else { return }
    if case .events(let stream) = answer, hasBegun {
      return endStream(stream, .streamTruncated)
    }
    guard wasConnected || hasBegun else {
      // Refused: nobody listens there, so nothing was sent.
      core.health.unreachable()
      return settleUnsent(.vendorStarting)
    }
    core.health.countFailure()
    var usage = Usage()
    usage.flags = client == nil ? [.failed, .unknown, .clientGone] : [.failed, .unknown]
    let hasAnswered = answer?.hasBegun ?? false
    ending =
      hasAnswered ? .abort : .error(hasBegun ? .vendorTruncated : .vendorConnectionLost, text: nil)
    settle(usage, status: 502)
  }

  func deadlinePassed() {
    if vendor?.isConnected == false {
      cancelVendor()
      return lost(hasBegun: false)
    }
    let age = core.events.now.millisecondsSince(began) / 1000
    if case .events(let stream) = answer, !isDrain {
      let silence = core.events.now.millisecondsSince(stream.lastEventAt) / 1000
      guard silence < CoreBounds.eventSilenceSecondsMax, age < CoreBounds.requestSecondsMax else {
        return endStream(stream, .streamIdle)
      }
      sendKeepAlive()
      vendor?.expect(within: CoreBounds.keepAliveSeconds)
      return
    }
    if case .whole = answer, !isDrain, age < CoreBounds.requestSecondsMax,
      age < CoreBounds.firstByteSecondsMax(route, isStream: false)
    {
      vendor?.expect(within: CoreBounds.keepAliveSeconds)
      return
    }
    cancelVendor()
    if isDrain { return stopDraining() }
    core.health.countFailure()
    var usage = Usage()
    usage.flags = [.failed, .unknown]
    ending = answer?.hasBegun == true ? .abort : .error(.vendorTimeout, text: nil)
    settle(usage, status: 504)
  }

  private func sendKeepAlive() {
    guard let client else { return }
    var line = ByteBuffer()
    line.append(
      route.dialect == .anthropic
        ? "event: ping\ndata: {\"type\": \"ping\"}\n\n" : ": keep-alive\n\n")
    core.outbound.clear()
    writeClientChunk(line)
    client.write(core.outbound)
  }

  /// A client that does not read stops its vendor connection.
  private func slowDown() {
    if let client, client.queuedBytes > CoreBounds.queuedBytesMax { vendor?.setReading(false) }
  }

  // MARK: Towards the client

  private func writeAnswerHead(length: Int?, to out: inout ByteBuffer) {
    client?.writeStatus(200, to: &out)
    out.append("Content-Type: application/json\r\nCache-Control: no-store\r\n")
    if let length {
      out.append("Content-Length: ")
      out.append(decimal: length)
      out.append("\r\n")
    } else {
      out.append("Transfer-Encoding: chunked\r\n")
    }
    decision.write(to: &out)
    out.append("\r\n")
  }

  private func writeStreamHead(to out: inout ByteBuffer) {
    client?.writeStatus(200, to: &out)
    out.append(
      """
      Content-Type: text/event-stream; charset=utf-8\r
      Cache-Control: no-cache, no-transform\r
      X-Accel-Buffering: no\r
      Transfer-Encoding: chunked\r

      """)
    decision.write(to: &out)
    out.append("\r\n")
  }

  private func writeClientChunk(_ bytes: borrowing ByteBuffer) {
    core.outbound.append(hex: bytes.count)
    core.outbound.append("\r\n")
    core.outbound.append(bytes.span)
    core.outbound.append("\r\n")
  }

  /// The settlement is on disk: the client may have the end.
  func tellEnd() {
    guard let client else { return }
    switch ending {
    case .none: client.close()
    case .error(let error, let text): tell(error, text, client)
    case .complete: tellCompletion(client)
    case .abort: tellBreak(client)
    }
  }

  private func tellCompletion(_ client: EdgeConnection) {
    core.outbound.clear()
    switch answer {
    case .whole(let whole):
      if !whole.hasBegun { writeAnswerHead(length: whole.held.count, to: &core.outbound) }
      if whole.hasBegun && whole.length == nil {
        if !whole.held.isEmpty { writeClientChunk(whole.held) }
        core.outbound.append("0\r\n\r\n")
      } else {
        core.outbound.append(whole.held.span)
      }
    case .events(let stream):
      if !stream.terminator.isEmpty { writeClientChunk(stream.terminator) }
      core.outbound.append("0\r\n\r\n")
    case .fault, .none: break
    }
    client.write(core.outbound)
    client.ended()
  }

  /// The error as the last event, then the connection breaks without the final chunk.
  private func tellBreak(_ client: EdgeConnection) {
    if case .events(let stream) = answer {
      core.outbound.clear()
      if !stream.hasBegun { writeStreamHead(to: &core.outbound) }
      writeClientChunk(stream.terminator)
      client.write(core.outbound)
    }
    client.closeAfterWriting()
  }

  private func tell(_ error: APIError, _ text: String?, _ client: EdgeConnection) {
    guard let text else {
      return client.respond(error, route.dialect, id, fields: decision.fields)
    }
    client.respond(
      error.status, decision.fields, error.body(route.dialect, requestID: id.text, vendorText: text)
    )
  }
}
