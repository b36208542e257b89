import PMHTTP
import PMLog
import PMSystem
import PMWire

/// One request that costs money, from its head to its settlement.
///
///     receiving ─▶ queued ─▶ reserving ─▶ asking ─▶ answering ─▶ settling ─▶ done
///
/// The body is checked while it passes; the vendor gets its end only when the reservation is
/// durable, and the client gets the end of the answer only when the settlement is.
final class Call: VendorTask {
  enum Phase {
    case receiving, queued, reserving, waitingForVendor, asking, answering, settling, done
  }

  let core: CoreLoop
  let route: Route
  let key: KeyRecord
  let decision: LimitDecision
  let id: RequestID
  let wall: WallTime
  let began: Instant
  var phase = Phase.receiving
  /// Nil once the client has gone. Strong, and cut by hand at the end: a weak reference would make
  /// every retain of the connection slow.
  var client: EdgeConnection?
  var vendor: VendorConnection? {
    didSet {
      if oldValue == nil && vendor != nil { core.vendorTaken() }
      if oldValue != nil && vendor == nil { core.vendorGivenBack() }
    }
  }
  private var vendorAlarm: Alarm?
  /// The vendor failed before it had the whole request; told once the reservation can be released.
  private var earlyFault: APIError?

  // The request.
  private var json: JSONBody?
  private var form: MultipartBody?
  private var boundary = ""
  private var anthropicFields = ""
  private var bodyBytesMax = 0
  private var bodyBytes = 0
  /// What goes to the vendor and has not been sent.
  private var held = ByteBuffer()
  /// The head went out before the body was complete, so the body goes in chunks.
  private var isChunked = false
  private(set) var facts = RequestFacts()

  // The reservation.
  private(set) var price: PriceRow?
  private(set) var model = ModelIndex.unlisted
  /// What it holds of the limits, from the end of its body to its settlement.
  var lease: Lease?
  /// The vendor's limits count it.
  var isShareTaken = false
  private var outcome: (usage: Usage, nanoEuro: Int64)?
  var reservedNanoEuro: Int64? { lease?.nanoEuro }

  // The answer.
  var answer: AnswerRelay?
  var firstByteMilliseconds: Int32?
  var drainedBytes = 0
  var isDrain = false
  var settledStatus: UInt16 = 0
  /// Nil if contents are not hashed, or not any more.
  var contents: ContentDigest?
  /// What the client is told once the settlement is on disk.
  var ending = Ending.none

  enum Ending {
    case none
    /// What is held of the answer.
    case complete
    case error(APIError, text: String?)
    /// The connection breaks, so that the answer cannot be taken for a whole one.
    case abort
  }

  init(
    _ route: Route, _ key: KeyRecord, _ decision: LimitDecision, _ id: RequestID, _ wall: WallTime,
    of core: CoreLoop, for client: EdgeConnection
  ) {
    self.route = route
    self.key = key
    self.decision = decision
    self.id = id
    self.wall = wall
    self.core = core
    self.client = client
    began = core.events.now
  }

  // MARK: The request

  /// Chooses how the body is read. False if the request was refused.
  func prepare(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) -> Bool {
    let typeRange = head.fields.first(.contentType) ?? 0..<0
    if route == .transcriptions {
      let type = String(copying: headBytes.extracting(typeRange))
      guard type.lowercased().hasPrefix("multipart/form-data"),
        let form = MultipartBody(contentType: type),
        let boundary = MultipartBody.boundary(in: type)
      else { return refuseAtDoor(.contentType) }
      self.form = form
      self.boundary = boundary
      bodyBytesMax = core.configuration.limits.audioBodyBytesMax
    } else {
      // Whatever a client calls it, the body itself must be JSON.
      let start = typeRange.lowerBound
      guard
        typeRange.count < 10 || !headBytes.equals(start..<start + 10, ignoringCase: "multipart/")
      else { return refuseAtDoor(.contentType) }
      json = JSONBody(
        route,
        edits: BodyEdits(
          cacheSalt: core.cacheSalts.salt(of: key.details, at: wall),
          clampsOutput: core.admission.hasBudget(key)))
      bodyBytesMax = core.configuration.limits.jsonBodyBytesMax
    }
    if let length = head.fields.contentLength, length > bodyBytesMax {
      return refuseAtDoor(.requestTooLarge)
    }
    if let wait = core.health.throttleSeconds(at: core.events.now) {
      return refuseAtDoor(.vendorLimit.retrying(after: wait))
    }
    if route == .messages { readAnthropicFields(head, headBytes) }
    contents = core.receipts.beginDigest()
    return true
  }

  private func refuseAtDoor(_ error: APIError) -> Bool {
    phase = .done
    client?.respond(error, route.dialect, id, fields: limitFields)
    return false
  }

  /// Version and beta names, if they are harmless as header values.
  private func readAnthropicFields(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) {
    for index in 0..<head.fields.count {
      let field = head.fields[index]
      guard field.name == .anthropicVersion || field.name == .anthropicBeta,
        field.valueRange.count <= 256,
        field.valueRange.allSatisfy({ (0x20...0x7E).contains(headBytes[$0]) })
      else { continue }
      let name = field.name == .anthropicVersion ? "anthropic-version" : "anthropic-beta"
      anthropicFields += "\(name): \(String(copying: headBytes.extracting(field.valueRange)))\r\n"
    }
  }

  func take(_ bytes: borrowing Span<UInt8>) {
    guard phase == .receiving else { return }
    bodyBytes += bytes.count
    contents?.update(bytes)
    do throws(BodyFault) {
      guard bodyBytes <= bodyBytesMax else { throw .tooLarge }
      try json?.take(bytes, into: &held)
      try form?.take(bytes, into: &held)
    } catch {
      return refuse(error.answer)
    }
    if held.count > BodyBounds.heldBytesMax { sendAhead() }
  }

  /// A long body goes to the vendor while it arrives; its last bytes stay back. The vendor's proxy
  /// reads a body whole before it asks anything, so nothing is begun by it.
  private func sendAhead() {
    if vendor == nil {
      if core.health.isDraining { return holdForVendor() }
      guard connect() else { return }
      isChunked = true
      core.write(to: vendor) { writeHead(contentLength: nil, to: &$0) }
    }
    writeChunk(held.count - BodyBounds.withheldTailBytes)
    if let vendor, vendor.queuedBytes > CoreBounds.queuedBytesMax { client?.setReading(false) }
  }

  private func writeChunk(_ count: Int) {
    guard count > 0 else { return }
    core.write(to: vendor) { $0.append(chunk: held, count: count) }
    held.consume(count)
  }

  override func vendorDrained() {
    if phase == .asking { expectFirstByte() }
    if phase == .receiving { client?.setReading(true) }
  }

  /// The request is complete: reserve.
  func bodyEnded() {
    guard phase == .receiving else { return }
    contents?.endRequest()
    // What is left of it came with the last bytes; if need be `ask` waits anew.
    endVendorWait()
    do throws(BodyFault) {
      if let checked = try json?.check() { facts = checked }
      if let checked = try form?.check() { facts = checked }
    } catch {
      return refuse(error.answer)
    }
    let name = facts.model
    let asked = core.models.index(of: name.span) ?? .unlisted
    model = asked == .unlisted ? asked : core.prices.model(asked, at: wall)
    guard key.details.policy.allows(model: name, meaning: core.models.name(model)) else {
      return refuse(.modelNotFound)
    }
    price = model == .unlisted ? nil : core.prices.row(of: model, at: wall)
    if price == nil { Log.write(.core(.modelUnpriced)) }
    guard reserveLimits() else { return }
    json?.finish(outputTokensMax: lease?.outputTokensMax, into: &held)
    (json, form) = (nil, nil)
    askForShare()
  }

  /// Has the reservation written.
  func reserve() {
    phase = .reserving
    core.reserve(
      ReservationRow(
        id: id, key: key.row, model: model, route: route, reservedNanoEuro: reservedNanoEuro,
        reservedTokens: lease?.tokens, price: price?.row ?? 0, priceTable: core.prices.table),
      for: self)
  }

  /// Answers before anything reached the vendor; no row is written.
  func refuse(_ error: APIError) {
    giveUp()
    // The rest of the request is read and dropped.
    client?.setReading(true)
    client?.respond(error, route.dialect, id, fields: limitFields)
    finish()
  }

  /// Gives back what it holds, before there is a row.
  private func giveUp() {
    vendor?.abandon()
    vendor = nil
    if phase == .queued { core.vendorQueue.leave(self) }
    phase = .done
    held.release()
    var nothing = Usage()
    nothing.flags = .notSent
    settleLimits(nothing, nanoEuro: 0)
  }

  // MARK: The vendor

  private func connect() -> Bool {
    do {
      let connection = try core.pool.checkOut(core)
      connection.begin(for: self)
      if !connection.isConnected { connection.expect(within: CoreBounds.connectSecondsMax) }
      vendor = connection
      return true
    } catch {
      lost(hasBegun: false)
      return false
    }
  }

  /// The reservation is on disk: the vendor may have the end of the request.
  private func ask() {
    if let earlyFault { return settleUnsent(earlyFault) }
    if core.health.isDraining { return awaitVendor() }
    phase = .asking
    if vendor == nil {
      guard connect() else { return }
      core.write(to: vendor) { out in
        writeHead(contentLength: held.count, to: &out)
        out.append(held)
      }
    } else {
      writeChunk(held.count)
      core.write(to: vendor) { $0.append("0\r\n\r\n") }
    }
    held.release()
    if vendor?.isConnected == true { expectFirstByte() }
  }

  /// The vendor broke off, or answered, before it had the whole request: it has earned nothing, and
  /// what it says is about a request that nobody made.
  func endEarly(_ error: APIError) {
    cancelVendor()
    switch phase {
    case .receiving, .queued: refuse(error)
    case .reserving: earlyFault = error
    case .waitingForVendor: settleUnsent(error)
    case .asking, .answering, .settling, .done: break
    }
  }

  func expectFirstByte() {
    vendor?.expect(within: CoreBounds.firstByteSecondsMax(route, isStream: facts.isStream))
  }

  /// The vendor is being restarted: wait for it a little.
  private func awaitVendor() {
    phase = .waitingForVendor
    if !beginVendorWait() { settleUnsent(.vendorRestarting) }
  }

  /// The same with a long body on its way, of which no more is read meanwhile.
  private func holdForVendor() {
    if vendorAlarm != nil { return }
    client?.setReading(false)
    if !beginVendorWait() { refuse(.vendorRestarting) }
  }

  private func beginVendorWait() -> Bool {
    let alarm = Alarm { [unowned self] in vendorWaitEnded() }
    guard (try? core.events.add(alarm)) != nil else { return false }
    vendorAlarm = alarm
    core.awaitVendor(self)
    let wait = CoreBounds.vendorWaitSecondsMax
    core.events.setDeadline(alarm, core.events.now.adding(seconds: wait))
    return true
  }

  private func endVendorWait() {
    guard let vendorAlarm else { return }
    core.events.remove(vendorAlarm)
    self.vendorAlarm = nil
    core.forgetForVendor(self)
  }

  /// The vendor is back after a restart.
  func vendorResumed() {
    guard vendorAlarm != nil else { return }
    endVendorWait()
    if phase == .receiving {
      client?.setReading(true)
      sendAhead()
    } else {
      ask()
    }
  }

  /// It was not back in time.
  private func vendorWaitEnded() {
    phase == .receiving ? refuse(.vendorRestarting) : settleUnsent(.vendorRestarting)
  }

  /// Everything here is ours: no byte of the client's head reaches the vendor.
  private func writeHead(contentLength: Int?, to out: inout ByteBuffer) {
    out.append("POST ")
    out.append(route.path)
    out.append(" HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nX-Request-ID: ")
    id.write(to: &out)
    out.append("\r\n")
    if route == .transcriptions {
      out.append("Content-Type: multipart/form-data; boundary=\"")
      out.append(boundary)
      out.append("\"\r\n")
    } else {
      out.append("Content-Type: application/json\r\n")
    }
    if !anthropicFields.isEmpty { out.append(anthropicFields) }
    if let contentLength {
      out.append("Content-Length: ")
      out.append(decimal: contentLength)
      out.append("\r\n\r\n")
    } else {
      out.append("Transfer-Encoding: chunked\r\n\r\n")
    }
  }

  // MARK: The ledger

  /// The row that was waited for is on disk, or cannot be.
  func ledgerAnswered(failed: Bool) {
    switch phase {
    case .reserving:
      if failed {
        refuse(.ledgerUnavailable)
      } else if client == nil {
        settleUnsent(nil)
      } else {
        ask()
      }
    case .settling:
      phase = .done
      if failed {
        keepReservation()
        // What is not accounted for must not look complete.
        client?.close()
      } else {
        if let outcome { settleLimits(outcome.usage, nanoEuro: outcome.nanoEuro) }
        tellEnd()
      }
      finish()
    default: break
    }
  }

  /// Nothing reached the vendor: the reservation is given back.
  func settleUnsent(_ error: APIError?) {
    endVendorWait()
    vendor?.abandon()
    vendor = nil
    var usage = Usage()
    usage.flags = client == nil ? [.notSent, .clientGone] : .notSent
    ending = error.map { .error($0, text: nil) } ?? .none
    settle(usage, state: .released, status: error?.status ?? 499)
  }

  func settle(_ usage: Usage, state: RequestState = .settled, status: Int) {
    guard phase != .settling, phase != .done else { return }
    var usage = usage
    var cost: Int64?
    switch price?.cost(of: usage) {
    case .nanoEuro(let sum): cost = sum
    case .unpriced, .none:
      if usage.counts.isNothing {
        cost = 0
      } else {
        usage.flags.insert(.unpriced)
        core.accounts.modelDesk.usedWithoutPrice(model, at: wall)
      }
    // No honest usage is that large: what was reserved is charged.
    case .tooLarge: cost = reservedNanoEuro
    }
    if usage.flags.contains(.cut), let reserved = reservedNanoEuro {
      cost = min(cost ?? reserved, reserved)
    }
    outcome = (usage, cost ?? 0)
    if state == .settled { note(usage, cost) }
    phase = .settling
    settledStatus = UInt16(clamping: status)
    core.settle(
      SettlementRow(
        id: id, state: state, usage: usage, costNanoEuro: cost, reservedNanoEuro: reservedNanoEuro,
        status: settledStatus, firstByteMilliseconds: firstByteMilliseconds,
        totalMilliseconds: Int32(clamping: core.events.now.millisecondsSince(began))), for: self)
  }

  private func note(_ usage: Usage, _ costNanoEuro: Int64?) {
    var firstByte: Int64?
    if case .events = answer { firstByte = firstByteMilliseconds.map { Int64($0) * 1000 } }
    core.metrics.count(
      model, route, usage, costNanoEuro: costNanoEuro,
      microseconds: Int64(clamping: core.events.now.microsecondsSince(began)),
      firstByteMicroseconds: firstByte)
  }

  func finish() {
    phase = .done
    endVendorWait()
    if isDrain {
      isDrain = false
      core.giveDrainBack()
    }
    answer = nil
    client = nil
    if let contents { core.receipts.end(contents, of: id, hasRow: settledStatus != 0) }
    contents = nil
    core.callEnded(key)
  }

  // MARK: What the vendor's connection says

  override func answerBegan(_ head: ResponseHead, _ bytes: borrowing Span<UInt8>) {
    began(head, bytes)
  }
  override func answerContinued(_ piece: borrowing Span<UInt8>, isLast: Bool) {
    continued(piece, isLast: isLast)
  }
  override func vendorLost(hasBegun: Bool) { lost(hasBegun: hasBegun) }
  override func vendorDeadline() { deadlinePassed() }

  // MARK: The client

  /// The client has gone.
  func clientLeft() {
    client = nil
    switch phase {
    case .receiving, .queued:
      giveUp()
      finish()
    case .waitingForVendor: settleUnsent(nil)
    case .asking, .answering: leaveVendor()
    case .reserving, .settling, .done: break
    }
  }

  func clientDrained() { vendor?.setReading(true) }
}
