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
      // The client's slowness does not hold it back any more.
      vendor?.setReading(true)
      vendor?.expect(within: CoreBounds.drainSecondsMax)
      return
    }
    settleLeft()
  }

  /// The client has gone, and the end of the answer will not be known.
  private func settleLeft() {
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
      let assumed = Int64(facts.bodyBytes) / CoreBounds.audioBytesPerMillisecond
      usage.audioMilliseconds =
        facts.audioMilliseconds ?? min(assumed, CoreBounds.audioMillisecondsMax)
      usage.bytes = Int64(facts.bodyBytes)
    } else {
      usage.fresh = Int64(facts.bodyBytes + 3) / 4
    }
    return usage
  }

  func began(_ head: ResponseHead, _ bytes: borrowing Span<UInt8>) {
    guard phase == .asking else {
      return endEarly(head.status == 413 ? .requestTooLarge : .vendorError)
    }
    firstByteMilliseconds = Int32(clamping: core.events.now.millisecondsSince(began))
    phase = .answering
    if head.status == 200 {
      core.health.served()
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
      if drainedBytes > CoreBounds.drainBytesMax && !isLast { return settleLeft() }
    }
    switch answer {
    case .whole: wholeContinued(piece, isLast: isLast)
    case .events: eventsContinued(piece, isLast: isLast)
    case .fault: faultContinued(piece, isLast: isLast)
    case .none: break
    }
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
    contents?.update(whole.held.span)
    core.write(to: client) { out in
      if !whole.hasBegun { writeAnswerHead(length: whole.length, to: &out) }
      if whole.length == nil {
        out.append(chunk: whole.held)
      } else {
        out.append(whole.held)
      }
    }
    whole.hasBegun = true
    whole.held.clear()
  }

  private func end(_ whole: WholeAnswer) {
    // 200 with a body that is none, or a part of one.
    guard whole.meter.isWhole else { return breakOff(.vendorError) }
    var usage = whole.usage(of: self)
    if client == nil { usage.flags.insert(.clientGone) }
    ending = .complete
    settle(usage, status: 200)
  }

  // MARK: Streams

  private func eventsContinued(_ piece: borrowing Span<UInt8>, isLast: Bool) {
    guard case .events(let stream) = answer else { return }
    let isFaulty = !stream.take(piece)
    if !isDrain { vendor?.expect(within: CoreBounds.keepAliveSeconds) }
    stream.lastEventAt = core.events.now
    if isBeyondBudget(stream) { return cut(stream) }
    if let client {
      contents?.update(stream.passing.span)
      core.write(to: client) { out in
        if !stream.hasBegun { writeStreamHead(to: &out) }
        if !stream.passing.isEmpty { out.append(chunk: stream.passing) }
      }
      stream.hasBegun = true
    }
    stream.passing.clear()
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
    // The stream was whole already; only the connection was not ended.
    if stream.meter.isComplete { return endWhole(stream) }
    Log.write(.core(.vendorFault(StaticWord("stream-broken"))))
    var usage = stream.usage(of: self)
    if stream.meter.events == 0 && stream.meter.report == nil {
      usage = Usage()
      usage.flags = [.failed, .unknown]
    } else {
      usage.flags.insert(.partial)
    }
    abort(stream, usage, error)
  }

  /// Whether it has cost more than was reserved for it, where a budget forbids that.
  private func isBeyondBudget(_ stream: EventAnswer) -> Bool {
    guard let lease, lease.isHard, let reserved = lease.nanoEuro,
      case .nanoEuro(let cost)? = price?.cost(of: stream.usage(of: self))
    else { return false }
    return cost > reserved
  }

  /// The vendor did not keep to its cap. What has just come is not delivered any more.
  private func cut(_ stream: EventAnswer) {
    cancelVendor()
    stream.passing.clear()
    var usage = stream.usage(of: self)
    usage.flags.insert(.cut)
    abort(stream, usage, .budgetReached)
  }

  /// The error is the last event, in place of the mark of a whole stream.
  private func abort(_ stream: EventAnswer, _ usage: Usage, _ error: APIError) {
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
      let error = core.health.failed(meaning, at: core.events.now)
      Log.write(.core(.vendorFault(StaticWord("status"))))
      var usage = Usage()
      usage.flags = .failed
      let text = fault.text
      ending = .error(error, text: text)
      settle(usage, status: error.status)
    }
  }

  func lost(hasBegun: Bool) {
    let wasConnected = vendor?.isConnected ?? false
    let wasSent = vendor?.hasSentRequest ?? false
    vendor = nil
    if case .events(let stream) = answer, phase == .answering {
      return endStream(stream, .streamTruncated)
    }
    if wasSent {
      core.health.countFailure()
    } else if !wasConnected {
      // Nobody listens there. Otherwise the vendor ended a connection that was idle, as it may.
      core.health.unreachable()
    }
    let error: APIError =
      hasBegun ? .vendorTruncated : wasConnected ? .vendorConnectionLost : .vendorStarting
    guard phase == .asking || phase == .answering else { return endEarly(error) }
    wasSent ? breakOff(error) : settleUnsent(error)
  }

  /// No end of the answer will come: what was delivered is charged, and no more.
  private func breakOff(_ error: APIError) {
    var usage = Usage()
    if let known = answer?.usageSoFar(of: self) {
      usage = known
      usage.flags.insert(.partial)
    } else {
      usage.flags = [.failed, .unknown]
    }
    if client == nil { usage.flags.insert(.clientGone) }
    ending = answer?.hasBegun == true ? .abort : .error(error, text: nil)
    settle(usage, status: error.status)
  }

  func deadlinePassed() {
    guard let vendor else { return }
    if !vendor.isConnected {
      cancelVendor()
      return lost(hasBegun: false)
    }
    // It was connected in time, and the request is still on its way.
    guard phase == .asking || phase == .answering else { return }
    let age = core.events.now.millisecondsSince(began) / 1000
    if case .events(let stream) = answer, !isDrain {
      let silence = core.events.now.millisecondsSince(stream.lastEventAt) / 1000
      guard !stream.meter.isComplete, silence < CoreBounds.eventSilenceSecondsMax,
        age < CoreBounds.requestSecondsMax
      else {
        return endStream(stream, .streamIdle)
      }
      sendKeepAlive()
      vendor.expect(within: CoreBounds.keepAliveSeconds)
      return
    }
    if phase == .asking, vendor.queuedBytes > 0, age < CoreBounds.requestSecondsMax {
      return expectFirstByte()
    }
    if case .whole = answer, !isDrain, age < CoreBounds.requestSecondsMax,
      age < CoreBounds.firstByteSecondsMax(route, isStream: false)
    {
      vendor.expect(within: CoreBounds.keepAliveSeconds)
      return
    }
    if isDrain { return settleLeft() }
    cancelVendor()
    if facts.isStream {
      core.health.countFailure()
    } else {
      // A whole answer may take long because the client asked for much. Whether it is the vendor,
      // core learns by asking it something short.
      core.askVendor()
    }
    breakOff(.vendorTimeout)
  }

  private func sendKeepAlive() {
    guard let client else { return }
    var line = ByteBuffer()
    line.append(
      route.dialect == .anthropic
        ? "event: ping\ndata: {\"type\": \"ping\"}\n\n" : ": keep-alive\n\n")
    contents?.update(line.span)
    core.write(to: client) { $0.append(chunk: line) }
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
    writeLimits(to: &out)
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
    writeLimits(to: &out)
    out.append("\r\n")
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
    core.write(to: client) { out in
      switch answer {
      case .whole(let whole):
        contents?.update(whole.held.span)
        if !whole.hasBegun { writeAnswerHead(length: whole.held.count, to: &out) }
        if whole.hasBegun && whole.length == nil {
          if !whole.held.isEmpty { out.append(chunk: whole.held) }
          out.append("0\r\n\r\n")
        } else {
          out.append(whole.held)
        }
      case .events(let stream):
        contents?.update(stream.terminator.span)
        if !stream.terminator.isEmpty { out.append(chunk: stream.terminator) }
        out.append("0\r\n\r\n")
      case .fault, .none: break
      }
    }
    client.ended()
  }

  /// The error as the last event, then the connection breaks without the final chunk.
  private func tellBreak(_ client: EdgeConnection) {
    if case .events(let stream) = answer {
      contents?.update(stream.terminator.span)
      core.write(to: client) { out in
        if !stream.hasBegun { writeStreamHead(to: &out) }
        out.append(chunk: stream.terminator)
      }
    }
    client.closeAfterWriting()
  }

  private func tell(_ error: APIError, _ text: String?, _ client: EdgeConnection) {
    client.respond(
      error, route.dialect, id, fields: limitFields, vendorText: text, digest: contents)
  }
}

extension ByteBuffer {
  mutating func append(_ bytes: borrowing ByteBuffer) { append(bytes.span) }

  /// One chunk of a transfer coding (RFC 9112, 7.1): the first `count` bytes, or all.
  mutating func append(chunk bytes: borrowing ByteBuffer, count: Int? = nil) {
    let content = bytes.span.extracting(0..<(count ?? bytes.count))
    append(hex: content.count)
    append("\r\n")
    append(content)
    append("\r\n")
  }
}
