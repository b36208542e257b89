import PMHTTP
import Testing

/// Writes down what a reader tells. Answers each request at once, or later, or stops.
private final class Listener: RequestTaker {
  enum Manner { case answersAtOnce, answersLater, stopsAtHead }

  let reader = RequestReader()
  var manner = Manner.answersAtOnce
  /// Heads as their path, bodies joined: however they arrive, the same.
  private(set) var told: [String] = []
  private var body: [UInt8] = []

  func requestBegan(_ head: RequestHead, _ bytes: borrowing Span<UInt8>) {
    var path = ""
    for offset in head.path { path.unicodeScalars.append(Unicode.Scalar(bytes[offset])) }
    told.append("\(path) in \(bytes.count)")
    if manner == .stopsAtHead { reader.stop() }
  }
  func requestContinued(_ payload: borrowing Span<UInt8>) {
    for offset in 0..<payload.count { body.append(payload[offset]) }
  }
  func requestEnded() {
    told.append("body " + String(decoding: body, as: UTF8.self))
    body = []
    if manner == .answersAtOnce { reader.goOn() }
  }

  func hear(_ bytes: ArraySlice<UInt8>) throws(HTTPError) { try reader.read(bytes.span, for: self) }
}

@Suite struct RequestReaderTests {
  private static let plain = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
  private static let measured = "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
  private static let chunked =
    "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    + "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
  private static let all = Array((plain + measured + "\r\n" + chunked + plain).utf8)
  private static let events = [
    "/a in 28", "body ", "/b in 48", "body hello", "/c in 57", "body abcde", "/a in 28", "body ",
  ]

  @Test func everySplitTellsTheSame() throws {
    let all = Self.all
    for first in 0...all.count {
      for second in first...all.count {
        let listener = Listener()
        for piece in [all[..<first], all[first..<second], all[second...]] {
          try listener.hear(piece)
        }
        #expect(listener.told == Self.events, "\(first) \(second)")
        #expect(listener.reader.isIdle)
      }
    }
  }

  @Test func singleBytesTellTheSame() throws {
    let listener = Listener()
    for offset in Self.all.indices { try listener.hear(Self.all[offset...offset]) }
    #expect(listener.told == Self.events)
  }

  @Test func theNextRequestWaitsForTheAnswer() throws {
    for step in 1...Self.all.count {
      let listener = Listener()
      listener.manner = .answersLater
      for start in stride(from: 0, to: Self.all.count, by: step) {
        try listener.hear(Self.all[start..<min(start + step, Self.all.count)])
        #expect(listener.told.count <= 2)
      }
      for count in stride(from: 2, through: 8, by: 2) {
        #expect(listener.told == Array(Self.events.prefix(count)), "\(step)")
        #expect(listener.reader.hasEnded && listener.reader.isBodyComplete)
        listener.reader.goOn()
        try listener.hear([])
      }
      #expect(listener.reader.isIdle)
    }
  }

  @Test func oneBlankLineIsIgnoredBeforeARequest() throws {
    let listener = Listener()
    for byte in Array(("\r\n" + Self.plain).utf8) { try listener.hear([byte]) }
    #expect(listener.told == ["/a in 28", "body "])
    #expect(throws: HTTPError.malformedStartLine) {
      try listener.hear(Array(("\r\n\r\n" + Self.plain).utf8)[...])
    }
    #expect(throws: HTTPError.malformedField) {
      try Listener().hear(Array(("\n" + Self.plain).utf8)[...])
    }
  }

  @Test func afterARefusalNothingIsTold() throws {
    let listener = Listener()
    #expect(throws: HTTPError.malformedStartLine) {
      try listener.hear(Array("x\r\n\r\n".utf8)[...])
    }
    try listener.hear(Array(Self.plain.utf8)[...])
    listener.reader.goOn()
    try listener.hear(Array(Self.plain.utf8)[...])
    #expect(listener.told.isEmpty && listener.reader.isEmpty)
  }

  @Test func whoStopsHearsNoMore() throws {
    let listener = Listener()
    listener.manner = .stopsAtHead
    try listener.hear(Array((Self.measured + Self.plain).utf8)[...])
    #expect(listener.told == ["/b in 48"] && listener.reader.isEmpty)
  }

  @Test func itSaysWhereItStands() throws {
    let listener = Listener()
    #expect(listener.reader.isIdle)
    try listener.hear(Array("POST /b HT".utf8)[...])
    #expect(listener.reader.isWithinHead && !listener.reader.isIdle)
    try listener.hear(Array("TP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe".utf8)[...])
    #expect(!listener.reader.isWithinHead && listener.reader.bodyBytesLeft == 3)
    listener.manner = .answersLater
    try listener.hear(Array("llo".utf8)[...])
    #expect(!listener.reader.isFull)
    try listener.hear([UInt8](repeating: 0x41, count: HTTPLimits.aheadBytesMax + 1)[...])
    #expect(listener.reader.isFull)
  }
}
