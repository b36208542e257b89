import Testing

@testable import PMWire

@Suite struct EvidenceProtocolTests {
  private let nonce = String(repeating: "a1", count: 32)

  private func request(_ text: String) -> EvidenceRequest? {
    EvidenceRequest(line: Array(text.utf8))
  }

  @Test func aRequestIsReadAsItWasWritten() {
    let request = EvidenceRequest(id: 9, nonce: nonce, deadlineMilliseconds: 15_000)
    let start = #"{"v":1,"id":9,"verb":"evidence","nonce":""#
    #expect(request.line == start + nonce + "\",\"deadline_ms\":15000}\n")
    #expect(EvidenceRequest(line: Array(request.line.utf8.dropLast())) == request)
  }

  @Test func anythingElseIsNoRequest() {
    let good = EvidenceRequest(id: 9, nonce: nonce).line.dropLast()
    #expect(request(String(good)) != nil)
    let changes = [
      ("\"v\":1", "\"v\":2"), ("evidence", "status"), ("a1a1", "a1"), ("15000", "0"),
      ("15000", "60001"), ("\"id\":9,", ""), ("{\"v\"", "{\"key\":1,\"v\""), ("}", ""),
    ]
    for (old, new) in changes {
      let changed = String(good).replacing(old, with: new)
      #expect(request(changed) == nil, "\(changed)")
    }
  }

  @Test func repliesAreReadAsTheyWereWritten() {
    let replies: [EvidenceReply] = [
      .part(0, "AAEC"), .done(bytes: 12_230), .refused(.busy, retryAfterSeconds: 1),
      .refused(.unavailable, retryAfterSeconds: 5), .refused(.malformed, retryAfterSeconds: 0),
    ]
    for reply in replies {
      let line = reply.line(to: 7)
      #expect(line.utf8.count <= EvidenceLimits.lineBytesMax)
      let read = EvidenceReply.read(Array(line.utf8.dropLast()))
      #expect(read?.id == 7)
      #expect(read?.reply == reply)
    }
  }

  @Test func aPieceFitsIntoALine() {
    let digits = (EvidenceLimits.pieceBytesMax + 2) / 3 * 4
    let line = EvidenceReply.part(99, String(repeating: "A", count: digits)).line(to: .max)
    #expect(line.utf8.count <= EvidenceLimits.lineBytesMax)
  }
}
