internal import PMHTTP
internal import PMSystem
internal import PMWire

/// Evidence of what machine this is, fresh for each client (pmctl's pages say what it proves).
extension ClientConnection {
  private static let noStore = "Cache-Control: no-store\r\n"

  func serveEvidence(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) {
    guard head.method == .get else {
      return answerError(.methodNotSupported, fields: "Allow: GET\r\n" + Self.noStore)
    }
    guard !head.hasBody else { return answerError(.malformedRequest, closes: true) }
    guard let nonce = EvidenceNonce.text(query: headBytes.extracting(head.query)) else {
      return answerError(.nonceMalformed, fields: Self.noStore)
    }
    if edge.settings.isDevelopment {
      return answerLocally(
        503, "application/json", #"{"format":"pmctl-attestation/v1","error":"not-attested"}"#,
        fields: Self.noStore)
    }
    guard edge.addresses.admitEvidence(clientAddress(head, headBytes), at: loop.now) else {
      return answerEvidence(.busy(retryAfterSeconds: 1))
    }
    if let answer = edge.evidence.ask(nonce, for: self) { answerEvidence(answer) }
  }

  func answerEvidence(_ answer: EvidenceAnswer) {
    switch answer {
    case .document(let bytes):
      answerLocally(
        200, "application/json", String(decoding: bytes, as: UTF8.self), fields: Self.noStore)
    case .busy(let seconds):
      answerError(.evidenceBusy.retrying(after: seconds), fields: Self.noStore)
    case .unavailable(let seconds):
      answerError(.evidenceUnavailable.retrying(after: seconds), fields: Self.noStore)
    }
  }
}

/// The one query that the endpoint takes.
enum EvidenceNonce {
  private static let digitCount = 64

  /// The digits of `nonce=<64 lower-case digits>`; nil for anything else, and for zero, which is
  /// reserved.
  static func text(query: borrowing Span<UInt8>) -> String? {
    let name: StaticString = "nonce="
    let start = name.utf8CodeUnitCount
    guard query.count == start + digitCount, query.begins(with: name) else { return nil }
    var isZero = true
    for offset in start..<query.count {
      switch query[offset] {
      case 0x30: continue
      case 0x31...0x39, 0x61...0x66: isZero = false
      default: return nil
      }
    }
    return isZero ? nil : String(copying: query.extracting(start..<query.count))
  }
}
