internal import PMCrypto
internal import PMSystem
internal import PMWire

/// One edge's end of the socket pair. The key is the one that edge was started with.
final class EvidenceConnection: StreamSource {
  let key: Digest256
  private let desk: EvidenceDesk
  private var input = ByteBuffer()

  init(
    _ socket: consuming OwnedDescriptor, in loop: EventLoop, key: Digest256, _ desk: EvidenceDesk
  ) {
    (self.key, self.desk) = (key, desk)
    super.init(consume socket, in: loop)
  }

  override func onReadable() {
    switch receive(into: &input, upTo: EvidenceLimits.lineBytesMax) {
    case .bytes: takeLines()
    case .wouldBlock: break
    case .ended, .failed: close()
    }
  }

  private func takeLines() {
    while !isClosed {
      let bytes = input.bytes
      guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { break }
      input.consume(end + 1)
      // Only the edge writes here; one that breaks the protocol is not talked to.
      guard let request = EvidenceRequest(line: Array(bytes[..<end])) else { return close() }
      desk.take(request, from: self)
    }
    if input.count > EvidenceLimits.lineBytesMax { close() }
  }

  func refuse(_ id: Int64, _ refusal: EvidenceReply.Refusal, _ seconds: Int) {
    say(.refused(refusal, retryAfterSeconds: seconds), id)
  }

  /// Sends a document in pieces.
  func send(_ document: [UInt8], _ id: Int64) {
    var index = 0
    for start in stride(from: 0, to: document.count, by: EvidenceLimits.pieceBytesMax) {
      let end = min(document.count, start + EvidenceLimits.pieceBytesMax)
      say(.part(index, Base64.text(Array(document[start..<end]).span)), id)
      index += 1
    }
    say(.done(bytes: document.count), id)
  }

  private func say(_ reply: EvidenceReply, _ id: Int64) {
    if isClosed { return }
    // An edge that does not read has more than its requests can amount to.
    guard queuedBytes < Self.queuedBytesMax else { return close() }
    write(Array(reply.line(to: id).utf8).span)
  }

  /// A document as base64 lines, for each that may wait.
  private static let queuedBytesMax = (EvidenceLimits.waitingMax + 1) * 128 * 1024
}
