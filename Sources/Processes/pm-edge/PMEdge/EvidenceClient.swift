internal import PMCrypto
internal import PMLog
internal import PMSystem
internal import PMWire

/// Asks the supervisor for evidence over the inherited socket, one request after the other, for all
/// loops. What it says is put together from its pieces and looked at before a client gets it.
final class EvidenceClient: StreamSource {
  /// The request under way, and what came of its document.
  private struct Work {
    let ticket: EvidenceQueue.Ticket
    var document: [UInt8] = []
    var parts = 0
  }

  private let queue: EvidenceQueue
  /// Our key: 64 lower-case digits.
  private let key: String
  private var input = ByteBuffer()
  private var work: Work?

  init(
    _ socket: consuming OwnedDescriptor, in loop: EventLoop, _ queue: EvidenceQueue, key: Digest256
  ) {
    (self.queue, self.key) = (queue, key.hex)
    super.init(consume socket, in: loop)
  }

  /// Begins the next request, if none is under way.
  func begin() {
    while work == nil, !isClosed, let ticket = queue.next() {
      let left = ticket.deadline.millisecondsSince(loop.now)
      guard left > 0 else {
        queue.answer(ticket.number, .none)
        continue
      }
      work = Work(ticket: ticket)
      let request = EvidenceRequest(
        id: ticket.number, nonce: ticket.nonce, deadlineMilliseconds: Int64(left))
      write(Array(request.line.utf8).span)
      // A supervisor that keeps its promise answers before this.
      loop.setDeadline(
        self, ticket.deadline.adding(milliseconds: EdgeBounds.evidenceLateMillisecondsMax))
    }
  }

  override func onDeadline() { finish(.none) }

  private func finish(_ answer: EvidenceAnswer) {
    guard let ticket = work?.ticket else { return }
    work = nil
    loop.setDeadline(self, .never)
    queue.answer(ticket.number, answer)
    begin()
  }

  override func onReadable() {
    switch receive(into: &input, upTo: EdgeBounds.receiveBytesMax) {
    case .wouldBlock: return
    case .ended, .failed: return close()
    case .bytes: takeLines()
    }
    // No line of the protocol is so long.
    if input.count > EvidenceLimits.lineBytesMax { close() }
  }

  override func onClosed() {
    work = nil
    Log.write(.edge(.evidenceClosed))
    queue.close()
  }

  private func takeLines() {
    let bytes = input.bytes
    var start = 0
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      if end - start < EvidenceLimits.lineBytesMax { take(Array(bytes[start..<end])) }
      start = end + 1
    }
    if !isClosed { input.consume(start) }
  }

  /// Lines of another request are what a former one left.
  private func take(_ line: [UInt8]) {
    guard let (id, reply) = EvidenceReply.read(line), id == work?.ticket.number else { return }
    switch reply {
    case .part(let index, let text): append(text, index)
    case .done(let bytes): conclude(bytes)
    case .refused(.busy, let seconds): finish(.busy(retryAfterSeconds: max(1, seconds)))
    case .refused(_, let seconds): finish(.unavailable(retryAfterSeconds: max(1, seconds)))
    }
  }

  private func append(_ text: String, _ index: Int) {
    guard let piece = Base64.bytes(text), piece.count <= EvidenceLimits.pieceBytesMax,
      index == work?.parts,
      (work?.document.count ?? 0) + piece.count <= EdgeBounds.evidenceBytesMax
    else { return refuse(.damaged) }
    work?.document += piece
    work?.parts += 1
  }

  private func conclude(_ bytes: Int) {
    guard let done = work, done.document.count == bytes else { return refuse(.damaged) }
    if let fault = EvidenceCheck.fault(done.document, nonce: done.ticket.nonce, key: key) {
      return refuse(fault)
    }
    finish(.document(done.document))
  }

  private func refuse(_ fault: EdgeEvent.EvidenceFault) {
    Log.write(.edge(.evidenceRefused(reason: fault)))
    finish(.none)
  }
}
