import Glibc
import PMHTTP
import PMSystem
import Synchronization
import Testing

@testable import PMAdmin

/// A server on a socket of its own, its loop on a thread of its own.
private final class Running: Sendable {
  let path: String
  private let hasEnded = Mutex(false)
  private let drainBell: Mutex<Wake.Bell?> = Mutex(nil)

  init(_ site: Site) throws {
    path = "/tmp/pm-admin-test-\(randomBytes(8).map { String($0, radix: 16) }.joined()).sock"
    let listener = try UnixSocket.listen(path: path)
    let number = listener.surrender()
    try startThread { [self] in
      guard let listener = OwnedDescriptor(result: number), let loop = try? EventLoop(),
        let server = try? Server(
          listener, site: site, loop: loop, mayConnect: { $0.uid == PeerIdentity.ownUID },
          onDrained: { loop.stop() }),
        let wake = try? Wake({ server.drain() })
      else { return }
      guard (try? loop.add(wake)) != nil else { return }
      drainBell.withLock { $0 = wake.bell }
      loop.run()
      hasEnded.withLock { $0 = true }
    }
  }

  deinit { _ = unsafe unlink(path) }

  func drain() throws {
    let end = Instant.now().adding(seconds: 5)
    while Instant.now() < end {
      if let bell = drainBell.withLock({ $0 }) { return bell.ring() }
    }
    Issue.record("the loop did not start")
  }

  var isOver: Bool { hasEnded.withLock { $0 } }
}

/// A blocking client of the socket.
private struct Client: ~Copyable {
  private let socket: OwnedDescriptor
  private var received = ByteBuffer()

  init(_ running: Running) throws {
    socket = try UnixSocket.connectBlocking(path: running.path, seconds: 10)
  }

  func send(_ text: String) {
    _ = PMSystem.send(Array(text.utf8).span, to: socket)
  }

  /// The next answer: its status line and body; nil when the server has closed.
  mutating func answer() throws -> (line: String, body: String)? {
    while true {
      var end = HeadEnd()
      if let length = try end.find(in: received.span) {
        let head = try ResponseHead(received.span.extracting(0..<length))
        let total = length + (head.fields.contentLength ?? 0)
        if received.count >= total {
          let text = String(copying: received.span.extracting(0..<total))
          received.consume(total)
          let lines = text.split(separator: "\r\n", maxSplits: 1)
          return (
            String(lines[0]), String(decoding: Array(text.utf8).dropFirst(length), as: UTF8.self)
          )
        }
      }
      guard case .bytes = receive(socket, into: &received, upTo: 65_536) else { return nil }
    }
  }
}

private let get = "GET /admin/static/style.css HTTP/1.1\r\nHost: x\r\n\r\n"

@Suite(.timeLimit(.minutes(1))) struct ServerTests {
  private func start() throws -> Running { try Running(try Stage().site) }

  @Test func aConnectionServesOneRequestAfterAnother() throws {
    var client = try Client(try start())
    for _ in 0..<3 {
      client.send(get)
      let answer = try client.answer()
      #expect(answer?.line == "HTTP/1.1 200 OK")
      #expect(answer?.body == StyleSheet.text)
    }
  }

  @Test func requestsInOnePieceAreAnsweredInOrder() throws {
    var client = try Client(try start())
    client.send(get + "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n" + get)
    let lines = try (0..<3).map { _ in try client.answer()?.line }
    #expect(lines == ["HTTP/1.1 200 OK", "HTTP/1.1 302 Found", "HTTP/1.1 200 OK"])
  }

  @Test func aRequestMayComeByteByByte() throws {
    let stage = try Stage()
    var client = try Client(try Running(stage.site))
    let form = "csrf_token=x&password=y"
    let request =
      "POST /admin/login HTTP/1.1\r\nHost: x\r\nContent-Length: \(form.utf8.count)\r\n"
      + "Content-Type: application/x-www-form-urlencoded\r\n\r\n\(form)"
    for byte in request { client.send(String(byte)) }
    let answer = try client.answer()
    #expect(answer?.line == "HTTP/1.1 403 Forbidden")
    #expect(answer?.body == "Invalid or expired CSRF token\n")
  }

  @Test func aHeadRequestGetsNoBody() throws {
    var client = try Client(try start())
    client.send("HEAD /admin HTTP/1.1\r\nHost: x\r\n\r\n" + get)
    let lines = try (0..<2).map { _ in try client.answer()?.line }
    #expect(lines == ["HTTP/1.1 302 Found", "HTTP/1.1 200 OK"])
  }

  @Test(arguments: [-1, 0, 1])
  func aBodyOverTheLimitIsRefused(_ difference: Int) throws {
    var client = try Client(try start())
    let count = AdminLimits.bodyBytesMax + difference
    client.send(
      "POST /admin/login HTTP/1.1\r\nHost: x\r\nContent-Length: \(count)\r\n\r\n"
        + String(repeating: "a", count: count))
    let line = try client.answer()?.line
    #expect(line == (difference > 0 ? "HTTP/1.1 413 Content Too Large" : "HTTP/1.1 403 Forbidden"))
    if difference > 0 {
      let next = try client.answer()
      #expect(next == nil)
    }
  }

  @Test(arguments: [
    "GET /admin HTTP/1.1\r\n\r\n", "GET /admin HTTP/1.1\nHost: x\n\n", "nonsense\r\n\r\n",
    "POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "GET /admin?a=1&a=2 HTTP/1.1\r\nHost: x\r\n\r\n",
  ])
  func whatCannotBeReadIsRefusedAndClosed(_ request: String) throws {
    var client = try Client(try start())
    client.send(request)
    let refusal = try client.answer()?.line
    let next = try client.answer()
    #expect(refusal == "HTTP/1.1 400 Bad Request")
    #expect(next == nil)
  }

  @Test func aDrainAnswersWhatIsInFlightAndEnds() throws {
    let running = try start()
    var idle = try Client(running)
    var busy = try Client(running)
    idle.send(get)
    _ = try idle.answer()
    busy.send("POST /admin/login HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=")
    // The head must have arrived before the drain begins.
    var probe = try Client(running)
    probe.send(get)
    _ = try probe.answer()
    try running.drain()
    let gone = try idle.answer()
    #expect(gone == nil)
    busy.send("b")
    let answered = try busy.answer()?.line
    let end = try busy.answer()
    #expect(answered == "HTTP/1.1 403 Forbidden")
    #expect(end == nil)
    let deadline = Instant.now().adding(seconds: 5)
    while !running.isOver, Instant.now() < deadline {}
    #expect(running.isOver)
  }
}
