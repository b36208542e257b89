import PMHTTP
import Testing

@Suite struct HeadEndTests {
  /// Bytes arrive one more at a time, as they do on a slow connection.
  private func lengths(_ bytes: [UInt8], inStepsOf step: Int) throws(HTTPError) -> Int? {
    var end = HeadEnd()
    var arrived = 0
    while arrived < bytes.count {
      arrived = min(arrived + step, bytes.count)
      if let found = try end.find(in: bytes.span.extracting(0..<arrived)) { return found }
    }
    return nil
  }

  @Test func theEndIsFoundHoweverItArrives() throws {
    let head = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    for step in 1...head.count {
      #expect(try lengths(head, inStepsOf: step) == head.count, "\(step)")
      #expect(
        try lengths(head + Array("\n\nbody\r\n\r\n".utf8), inStepsOf: step) == head.count, "\(step)"
      )
    }
    #expect(try lengths(head.dropLast(), inStepsOf: 1) == nil)
  }

  @Test func bareFeedsAreFoundHoweverTheyArrive() {
    let text = Array("GET / HTTP/1.1\r\nHost: a\nX: b\r\n".utf8)
    for step in 1...text.count {
      #expect(throws: HTTPError.malformedField, "\(step)") { try lengths(text, inStepsOf: step) }
    }
  }

  @Test func theNextHeadIsLookedForFromItsStart() throws {
    var end = HeadEnd()
    let first = Array("GET / HTTP/1.1\r\n\r\n".utf8)
    let second = Array("\r\n\r\n".utf8)
    #expect(try find(&end, first) == 18)
    #expect(try find(&end, second) == 4)
  }

  private func find(_ end: inout HeadEnd, _ bytes: [UInt8]) throws(HTTPError) -> Int? {
    try end.find(in: bytes.span)
  }
}
