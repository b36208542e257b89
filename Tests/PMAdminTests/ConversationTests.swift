import Glibc
import PMJSON
import PMSystem
import PMWire
import Synchronization
import Testing

@testable import PMAdmin

/// A process at the other end of a socket: takes what is asked, gives a fixed answer.
private final class Scripted: Sendable {
  let path: String
  let asked = Mutex<[String]>([])

  init(_ answer: String, times: Int = 1) throws {
    path = "/tmp/pm-admin-peer-\(randomBytes(8).map { String($0, radix: 16) }.joined()).sock"
    let number = try UnixSocket.listen(path: path).surrender()
    try startThread { [self] in
      guard let listener = OwnedDescriptor(result: number) else { return }
      var left = times
      while left > 0 {
        var wait = pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&wait, 1, 5000) == 1 else { return }
        guard case .connection(let socket, _) = accept(from: listener) else { continue }
        left -= 1
        var bytes = ByteBuffer()
        var ready = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&ready, 1, 5000) == 1 else { return }
        _ = receive(socket, into: &bytes, upTo: 65_536)
        let text = bytes.text
        asked.withLock { $0.append(text) }
        _ = send(Array(answer.utf8).span, to: socket)
      }
    }
  }
  deinit { _ = unsafe unlink(path) }
}

@Suite(.timeLimit(.minutes(1))) struct ConversationTests {
  private func answer(_ status: String, _ body: String) -> String {
    "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }
  private func appliance(_ core: Scripted) -> ApplianceSockets {
    ApplianceSockets(
      core: CoreConversation(path: core.path), supervisor: SupervisorConversation(path: "/none"))
  }

  @Test func aKeyIsMadeThroughCore() throws {
    var entry = CoreControl.KeyEntry(
      id: "key_1", description: "a", status: .enabled, isEnabled: true,
      createdAt: WallTime(seconds: 1), expiresAt: nil, revokedAt: nil,
      rotatedFrom: nil, rotatedTo: nil, source: "store", isWeak: false, lastUsed: nil)
    entry.secret = "pm_x"
    let core = try Scripted(answer("201 Created", entry.json.text))
    var wish = CoreControl.NewKey()
    wish.limits[.requests] = .set(5)
    let issued = try appliance(core).makeKey(wish)
    #expect(issued == IssuedKey(id: try #require(KeyID("key_1")), secret: "pm_x"))
    let asked = core.asked.withLock { $0[0] }
    #expect(asked.hasPrefix("POST /keys HTTP/1.1\r\nHost: core\r\n"))
    #expect(asked.hasSuffix(wish.json.text))
  }

  @Test(arguments: [
    ("404 Not Found", ControlError.unknownKey), ("422 Unprocessable", .refused),
    ("500 Broken", .unreachable(errno: 0)),
  ])
  func refusalsOfCoreAreTold(_ status: String, _ error: ControlError) throws {
    let core = try Scripted(answer(status, "{}"))
    let id = try #require(KeyID("key_1"))
    #expect(throws: error) { try appliance(core).revokeKey(id) }
  }

  @Test(arguments: ["nonsense", "{\"keys\":[{}]}", "[]"])
  func whatIsNotAgreedIsNotUnderstood(_ body: String) throws {
    let core = try Scripted(answer("200 OK", body))
    #expect(throws: ControlError.notUnderstood) { _ = try appliance(core).keys() }
  }

  @Test func anAbsentCoreIsUnreachable() {
    let nobody = CoreConversation(path: "/tmp/pm-admin-nobody.sock")
    #expect(throws: ControlError.unreachable(errno: ENOENT)) { _ = try nobody.ask(.readStatus) }
  }

  @Test func theStatusOfTheSupervisorIsAskedOnceForManyPages() throws {
    let status = """
      {"id":1,"status":{"gate":{"state":"not attested"},"vendor_stand_in":true,"services":\
      [{"service":"vendor","state":"ready","restarts":2,"last":"signal 9","health":"up"}]}}
      {"id":1,"outcome":"done"}

      """
    let supervisor = try Scripted(status)
    let conversation = SupervisorConversation(path: supervisor.path)
    let (first, second) = (try conversation.standing(), try conversation.standing())
    #expect(first == second && first.gate == "not attested" && first.vendorHealth == "up")
    #expect(first.services.map(\.lastEnd) == ["signal 9"])
    #expect(supervisor.asked.withLock { $0.count } == 1)
    let request = supervisor.asked.withLock { Array($0[0].utf8.dropLast()) }
    #expect(try ControlRequest(line: request).verb == .status)
  }

  @Test func theGateIsReadStepByStep() throws {
    let lines = """
      {"id":1,"gate":"refused","token":"debug","at":"2026-11-22T12:00:00Z","platform":"snp"}
      {"id":1,"step":"device","state":"PASS","token":null,"ms":2,"detail":"10:125"}
      {"id":1,"step":"guest-policy","state":"FAIL","token":"debug","ms":0,"detail":"0xb0000"}
      {"id":1,"outcome":"done"}

      """
    let supervisor = try Scripted(lines)
    let seen = try SupervisorConversation(path: supervisor.path).attestation()
    #expect(!seen.isPassed && seen.token == "debug" && seen.platform == "snp")
    #expect(seen.steps == [
      .init(name: "device", state: "PASS", detail: "10:125", token: ""),
      .init(name: "guest-policy", state: "FAIL", detail: "0xb0000", token: "debug"),
    ])
    let request = supervisor.asked.withLock { Array($0[0].utf8.dropLast()) }
    #expect(try ControlRequest(line: request).verb == .attest)
    let other = try Scripted("{\"id\":1,\"gate\":7}\n{\"id\":1,\"outcome\":\"done\"}\n")
    let strange = SupervisorConversation(path: other.path)
    #expect(throws: ControlError.notUnderstood) { _ = try strange.attestation() }
  }

  @Test func usageIsReadByCoresNames() throws {
    let body = """
      {"requests":2,"total_tokens":30,"total_cost_nano_euro":7,"unpriced_requests":1,
      "by_key":{"key_1":{"requests":2,"tokens":30,"cost_nano_euro":7}},"by_model":{}}
      """
    let core = try Scripted(answer("200 OK", body), times: 1)
    let usage = try appliance(core).usage(.week)
    #expect(usage.costNanoEuro == 7 && usage.unpriced == 1)
    #expect(usage.byKey == [.init(name: "key_1", requests: 2, tokens: 30, costNanoEuro: 7)])
    #expect(core.asked.withLock { $0[0] }.hasPrefix("GET /usage?period=week HTTP/1.1\r\n"))
  }
}
