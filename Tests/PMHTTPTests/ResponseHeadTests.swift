import PMHTTP
import Testing

@Suite struct ResponseHeadTests {
  @Test func theBodyFollowsFromTheHead() throws {
    func framing(_ status: String, _ fields: String = "", forHead: Bool = false) throws
      -> BodyFraming
    {
      try Heads.response("HTTP/1.1 \(status)\r\n\(fields)\r\n").body(forHead: forHead)
    }
    #expect(try framing("200 OK", "Content-Length: 5\r\n").bytesLeft == 5)
    #expect(try framing("200 OK", "Content-Length: 0\r\n").isComplete)
    #expect(try framing("200", "Content-Length: 5\r\n", forHead: true).isComplete)
    #expect(try framing("204 x", "Content-Length: 5\r\n").isComplete)
    #expect(try framing("304 x", "Transfer-Encoding: chunked\r\n").isComplete)
    #expect(try framing("103 x").isComplete)
    #expect(try framing("200 OK").endsWithConnection)
    let chunked = try framing("200 OK", "Transfer-Encoding: chunked\r\n")
    #expect(!chunked.isComplete)
    #expect(chunked.bytesLeft == nil)
    #expect(!chunked.endsWithConnection)
  }

  @Test func connectionsAreKeptUnlessSomebodySaysOtherwise() throws {
    #expect(try Heads.response("HTTP/1.1 200 OK\r\n\r\n").keepsAlive)
    #expect(try !Heads.response("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").keepsAlive)
    #expect(try !Heads.response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").keepsAlive)
  }

  @Test(arguments: [
    "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 Anything at all é", "HTTP/1.0 599 x",
    "HTTP/1.1 100 x",
  ])
  func statusLinesThatAreRead(_ line: String) throws {
    #expect((100...599).contains(try Heads.response(line + "\r\n\r\n").status))
  }

  @Test(arguments: [
    "HTTP/1.1 20 OK", "HTTP/1.1 2000", "HTTP/1.1 099 x", "HTTP/1.1 600 x", "HTTP/1.1 2x0 OK",
    "HTTP/1.1  200 OK", "HTTP/2.0 200 OK", "http/1.1 200 OK", "HTTP/1.1 +20 x", "HTTP/1.1\t200 OK",
    "",
    "200 OK", "ICY 200 OK xxxx", "HTTP/1.1 200 a\tb",
  ])
  func statusLinesThatAreRefused(_ line: String) {
    #expect(throws: HTTPError.self) { try Heads.response(line + "\r\n\r\n") }
  }

  @Test func ambiguousLengthsAreRefusedInAnswersToo() {
    for fields in [
      "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding: gzip, chunked", "X: a\r\n b", "X : a", "X: a\nY: b",
    ] {
      #expect(throws: HTTPError.self, "\(fields)") {
        try Heads.response("HTTP/1.1 200 OK\r\n\(fields)\r\n\r\n")
      }
    }
  }
}
