import PMHTTP
import Seeded
import Testing

/// What came out of a body, however it arrived.
private struct DecodedBody: Equatable {
  var payload: [UInt8] = []
  var isComplete = false
  /// Bytes behind the end of the body, which are the next message's.
  var unused = 0
  var error: HTTPError?

  init(_ framing: BodyFraming = .chunked, _ pieces: [ArraySlice<UInt8>]) {
    var framing = framing
    for piece in pieces {
      let bytes = Array(piece)
      var position = 0
      do throws(HTTPError) {
        while let run = try framing.next(bytes.span, &position) { payload += bytes[run] }
      } catch let fault {
        error = fault
        return
      }
      unused += bytes.count - position
    }
    isComplete = framing.isComplete
  }

  init(_ text: String) { self.init(.chunked, [Array(text.utf8)[...]]) }
}

@Suite struct ChunkedDecoderTests {
  private func splits(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
    (0...bytes.count).map { [bytes[..<$0], bytes[$0...]] } + [bytes.indices.map { bytes[$0...$0] }]
  }

  static let good: [(String, String)] = [
    ("0\r\n\r\n", ""), ("5\r\nhello\r\n0\r\n\r\n", "hello"),
    ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
    ("A\r\n0123456789\r\n00\r\n\r\n", "0123456789"), ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
    ("000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
    ("5;name=value;other=\"a b\"\r\nhello\r\n0;last\r\n\r\n", "hello"),
    ("5 \t;a\r\nhello\r\n0 \r\n\r\n", "hello"),
    ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"), ("5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"),
    ("1\r\nx\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\n", "x"),
  ]

  @Test func theFramingIsTakenOffOverEverySplit() {
    for (text, payload) in Self.good {
      for way in splits(Array(text.utf8)) {
        let body = DecodedBody(.chunked, way)
        #expect(
          body.payload == Array(payload.utf8) && body.isComplete && body.error == nil,
          "\(text.debugDescription)")
      }
    }
  }

  @Test func theNextMessageIsNotTouched() {
    for way in splits(Array("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n".utf8)) {
      let body = DecodedBody(.chunked, way)
      #expect(body.isComplete)
      #expect(body.unused == 16)
    }
  }

  static let bad = [
    "\r\n", "\n", " 5\r\nhello\r\n", "x\r\n", "g\r\n", "-1\r\n", "+5\r\nhello\r\n",
    "0x5\r\nhello\r\n", "5\nhello\r\n",
    "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloX\r\n", "5\r\nhello\r0\r\n",
    "1\r\nx\rX1\r\nx\r\n0\r\n\r\n",
    "5\rhello", ";a\r\n",
    "5;a\nhello", "5;a\u{0}\r\nhello", "5;a\u{7F}\r\n", "5,5\r\nhello", "5.\r\nhello", "0\r\n\n",
    "0\r\nX: y\n\r\n",
    "0\r\nX\u{0}: y\r\n\r\n", "0\r\n\rX", "5 5\r\nhello", "5 a\r\nhello", "5\u{B}\r\nhello",
    "0\r\n X: y\u{1}\r\n",
    "1000000000000\r\n", "fffffffffffff\r\n", "0000000000005\r\nhello\r\n",
  ]

  @Test func otherFramingIsRefusedOverEverySplit() {
    for text in Self.bad {
      for way in splits(Array(text.utf8)) {
        #expect(DecodedBody(.chunked, way).error == .malformedChunk, "\(text.debugDescription)")
      }
    }
  }

  @Test func anUnfinishedBodyIsNotComplete() {
    for (text, _) in Self.good {
      let bytes = Array(text.utf8)
      for count in 0..<bytes.count {
        #expect(!DecodedBody(.chunked, [bytes[..<count]]).isComplete, "\(text.debugDescription)")
      }
    }
  }

  @Test func extensionsAreBoundedPerChunkAndTrailersPerMessage() {
    func chunk(_ count: Int) -> String { "1;\(String(repeating: "e", count: count))\r\nx\r\n" }
    let limit = HTTPLimits.chunkExtensionBytesMax
    #expect(DecodedBody(chunk(limit - 1) + chunk(limit) + "0\r\n\r\n").isComplete)
    #expect(DecodedBody(chunk(limit + 1)).error == .malformedChunk)
    #expect(DecodedBody("1" + String(repeating: " ", count: limit + 1)).error == .malformedChunk)

    func trailers(_ count: Int) -> String {
      // Line ends do not count.
      let lines = (0..<count / 64).map { _ in String(repeating: "t", count: 64) + "\r\n" }
      let rest = String(repeating: "t", count: count % 64)
      return "0\r\n" + lines.joined() + rest + (rest.isEmpty ? "" : "\r\n") + "\r\n"
    }
    #expect(DecodedBody(trailers(HTTPLimits.trailerBytesMax - 1)).isComplete)
    #expect(DecodedBody(trailers(HTTPLimits.trailerBytesMax)).isComplete)
    #expect(DecodedBody(trailers(HTTPLimits.trailerBytesMax + 1)).error == .malformedChunk)
  }

  @Test func randomBodiesComeOutAsTheyWere() {
    for seed in UInt64(0)..<60 {
      var random = SeededRandom(seed: seed)
      var (framed, payload) = ([UInt8](), [UInt8]())
      for _ in 0..<Int.random(in: 0...6, using: &random) {
        let chunk = random.bytes(.random(in: 1...40, using: &random))
        payload += chunk
        framed += Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + [0x0D, 0x0A]
      }
      framed += Array("0\r\n\r\n".utf8)
      let isSame = splits(framed).allSatisfy {
        let body = DecodedBody(.chunked, $0)
        return body.isComplete && body.payload == payload
      }
      #expect(isSame, "seed \(seed)")
    }
  }

  @Test func aLengthIsCountedDownOverEverySplit() {
    let bytes = Array("hello, world".utf8)
    for way in splits(bytes) {
      let body = DecodedBody(.length(5), way)
      #expect(body.isComplete)
      #expect(body.payload == Array("hello".utf8))
      #expect(body.unused == 7)
      let endless = DecodedBody(.untilClose, way)
      #expect(endless.payload == bytes)
      #expect(!endless.isComplete)
    }
    #expect(!DecodedBody(.length(13), [bytes[...]]).isComplete)
    #expect(DecodedBody(.none, [bytes[...]]).unused == bytes.count)
  }
}
