import COpenSSL
import PMSystem
import PMTLS
import Testing

@Suite struct TLSSessionTests {
  static let certificate = try? SelfSignedCertificate(alternativeNames: [
    "DNS:localhost", "IP:127.0.0.1", "IP:::1",
  ])
  static let ticketKey = (0..<TLSContext.ticketKeyBytes).map { UInt8($0) }

  private func context(ticketKey: [UInt8] = ticketKey) throws -> TLSContext {
    let files = try #require(Self.certificate)
    let certified = try CertifiedKey(certificatePEM: files.certificatePEM, keyPEM: files.keyPEM)
    return try TLSContext(certified, ticketKey: ticketKey)
  }

  private func server(_ context: TLSContext? = nil, _ pipe: TLSPipe? = nil) throws -> PlayedServer {
    try PlayedServer(context ?? self.context(), pipe ?? TLSPipe())
  }

  private static let versions: [(Int32, String)] = [
    (TLS1_2_VERSION, "TLSv1.2"), (TLS1_3_VERSION, "TLSv1.3"),
  ]

  private func client(_ version: Int32 = 0, resuming session: ClientSession? = nil) throws
    -> PlayedClient
  {
    try #require(PlayedClient(.init(version: version), resuming: session))
  }

  @Test func bothVersionsAreSpoken() throws {
    for (version, name) in Self.versions {
      let (server, client) = (try server(), try client(version))
      server.shakeHands(with: client)
      #expect(server.session.state == .established)
      #expect(client.isEstablished && client.version == name)
      #expect(server.exchange(client.write(Array("hello".utf8))) == [])
      #expect(server.plaintext == Array("hello".utf8))
      let answer = try #require(server.send(Array("answer".utf8)))
      _ = client.exchange(answer)
      #expect(client.read() == Array("answer".utf8))
      #expect(!server.session.isResumed)
    }
  }

  @Test func aHandshakeMayArriveByteByByte() throws {
    for (version, _) in Self.versions {
      for step in [1, 7, 100] {
        let (server, client) = (try server(), try client(version))
        server.shakeHands(with: client, inStepsOf: step)
        #expect(server.session.state == .established, "\(step)")
        #expect(client.isEstablished, "\(step)")
      }
    }
  }

  @Test func recordsMayArriveInAnyPieces() throws {
    let (server, client) = (try server(), try client())
    server.shakeHands(with: client)
    let text = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var ciphertext = client.write(text)
    var step = 1
    while !ciphertext.isEmpty {
      _ = server.exchange(Array(ciphertext.prefix(step)))
      ciphertext.removeFirst(min(step, ciphertext.count))
      step = step * 3 % 4001
    }
    #expect(server.plaintext == text)
    #expect(server.exchange([]) == [])
    #expect(server.session.state == .established)
  }

  @Test func theFirstRequestMayComeWithTheEndOfTheHandshake() throws {
    let (server, client) = (try server(), try client(TLS1_3_VERSION))
    let toClient = server.exchange(client.exchange())
    let finished = client.exchange(toClient)
    #expect(client.isEstablished)
    #expect(server.session.state == .handshaking)
    _ = server.exchange(finished + client.write(Array("early bird".utf8)))
    #expect(server.session.state == .established)
    #expect(server.plaintext == Array("early bird".utf8))
  }

  @Test func longAnswersAreSeveralRecords() throws {
    let (server, client) = (try server(), try client())
    server.shakeHands(with: client)
    let text = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 17) }
    _ = client.exchange(try #require(server.send(text)))
    #expect(client.read() == text)
    #expect(try #require(server.send([])) == [])
  }

  /// Sessions of a loop take turns with the same buffers.
  @Test func sessionsOfOnePipeDoNotMix() throws {
    let (context, pipe) = (try context(), try TLSPipe())
    let servers = try (0..<3).map { _ in try server(context, pipe) }
    let clients = try (0..<3).map { _ in try client() }
    for (server, client) in zip(servers, clients) { server.shakeHands(with: client, inStepsOf: 50) }
    for round in 0..<4 {
      for (index, pair) in zip(servers, clients).enumerated() {
        let text = Array("\(round) of \(index);".utf8)
        _ = pair.0.exchange(pair.1.write(text))
        _ = pair.1.exchange(try #require(pair.0.send(text)))
      }
    }
    for index in 0..<3 {
      let all = Array((0..<4).map { "\($0) of \(index);" }.joined().utf8)
      #expect(servers[index].plaintext == all)
      #expect(clients[index].read() == all)
    }
  }

  // MARK: Tickets

  private func finishedSession(_ version: Int32, _ context: TLSContext) throws -> ClientSession {
    let (server, client) = (try server(context), try client(version))
    server.shakeHands(with: client)
    // In TLS 1.3 the ticket comes behind the handshake and is taken while reading.
    _ = client.exchange(try #require(server.send([1])))
    #expect(client.read() == [1])
    _ = server.exchange(client.close())
    return try #require(client.session)
  }

  @Test func aTicketResumesOnEveryContextOfItsKey() throws {
    for (version, _) in Self.versions {
      let session = try finishedSession(version, try context())
      let (server, client) = (try server(try context()), try client(version, resuming: session))
      server.shakeHands(with: client)
      #expect(client.isEstablished && client.isResumed)
      #expect(server.session.isResumed)
      let other = try self.server(try context(ticketKey: Self.ticketKey.reversed()))
      let refused = try self.client(version, resuming: session)
      other.shakeHands(with: refused)
      #expect(refused.isEstablished && !refused.isResumed)
    }
  }

  // MARK: What is refused

  private func alert(of settings: PlayedClient.Settings) throws -> (
    alert: UInt8?, client: PlayedClient, server: PlayedServer
  ) {
    let server = try server()
    let client = try #require(PlayedClient(settings))
    let answer = server.exchange(client.exchange())
    _ = client.exchange(answer)
    // A plaintext alert record: type 21, and the reason is its last byte.
    return (answer.first == 21 ? answer.last : nil, client, server)
  }

  @Test func olderVersionsAreRefused() throws {
    for version in [TLS1_VERSION, TLS1_1_VERSION] {
      let (alert, client, server) = try alert(of: .init(version: version))
      #expect(alert == UInt8(SSL_AD_PROTOCOL_VERSION))
      #expect(server.session.state == .failed)
      #expect(client.hasFailed && !client.isEstablished)
    }
  }

  @Test func onlyHTTP1IsAgreedOn() throws {
    func agreed(_ protocols: [String]) throws -> String? {
      let (alert, client, server) = try alert(of: .init(protocols: protocols))
      if alert == UInt8(SSL_AD_NO_APPLICATION_PROTOCOL) { return nil }
      server.shakeHands(with: client)
      return client.agreedProtocol
    }
    #expect(try agreed(["http/1.1"]) == "http/1.1")
    #expect(try agreed(["h2", "http/1.1"]) == "http/1.1")
    #expect(try agreed(["http/1.1", "h2"]) == "http/1.1")
    #expect(try agreed([]) == "")
    #expect(try agreed(["h2"]) == nil)
    #expect(try agreed(["http/1.0", "http/1.1"]) == "http/1.1")
    #expect(try agreed(["h2", "http/1.0"]) == "http/1.0")
    #expect(try agreed(["http/1.2", "http/1.11", "http/1.", "HTTP/1.1"]) == nil)
  }

  @Test(arguments: [
    "AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES128-CCM8",
  ])
  func suitesWithoutSecrecyOrAuthenticationAreRefused(_ suite: String) throws {
    let (alert, client, server) = try alert(of: .init(version: TLS1_2_VERSION, cipherSuites: suite))
    #expect(alert == UInt8(SSL_AD_HANDSHAKE_FAILURE))
    #expect(server.session.state == .failed)
    #expect(!client.isEstablished)
  }

  @Test func otherGroupsAreRefused() throws {
    let (alert, _, server) = try alert(of: .init(version: TLS1_3_VERSION, groups: "P-384"))
    #expect(alert == UInt8(SSL_AD_HANDSHAKE_FAILURE))
    #expect(server.session.state == .failed)
    for group in ["X25519", "P-256"] {
      let (_, client, server) = try self.alert(of: .init(groups: group))
      server.shakeHands(with: client)
      #expect(client.isEstablished, "\(group)")
    }
  }

  @Test(arguments: [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\u{16}\u{3}\u{1}zzzzzzzzzzzzzz", "SSH-2.0-x\r\n",
  ])
  func whatIsNoTLSFails(_ text: String) throws {
    let server = try server()
    _ = server.exchange(Array(text.utf8) + [UInt8](repeating: 0x41, count: 20_000))
    #expect(server.session.state == .failed)
    #expect(server.send([1]) == nil)
    #expect(server.close() == [])
    // It stays as it is, whatever comes.
    let client = try client()
    #expect(server.exchange(client.exchange()) == [])
    #expect(server.session.state == .failed)
  }

  @Test func aChangedRecordFailsAndNothingOfItIsSeen() throws {
    let (server, client) = (try server(), try client())
    server.shakeHands(with: client)
    var ciphertext = client.write(Array("pay 1 euro".utf8))
    ciphertext[ciphertext.count - 20] ^= 1
    let answer = server.exchange(ciphertext)
    #expect(server.session.state == .failed)
    #expect(server.plaintext == [])
    #expect(!answer.isEmpty)
    _ = client.exchange(answer)
    #expect(client.read() == [])
    #expect(client.hasFailed)
  }

  /// One session's failure leaves no error behind that the next would take for its own.
  @Test func aFailureIsNotInherited() throws {
    let (context, pipe) = (try context(), try TLSPipe())
    let good = try server(context, pipe)
    let client = try client()
    good.shakeHands(with: client)
    let bad = try server(context, pipe)
    _ = bad.exchange([UInt8](repeating: 0x41, count: 100))
    #expect(bad.session.state == .failed)
    _ = good.exchange(client.write([1, 2, 3]))
    #expect(good.session.state == .established)
    #expect(good.plaintext == [1, 2, 3])
  }

  @Test func renegotiationIsRefused() throws {
    let (server, client) = (try server(), try client(TLS1_2_VERSION))
    server.shakeHands(with: client)
    let answer = server.exchange(client.renegotiate())
    _ = client.exchange(answer)
    _ = client.read()
    #expect(server.plaintext == [])
    #expect(client.hasFailed || server.session.state == .failed)
  }

  // MARK: Ends

  @Test func aPeersEndStillLetsUsAnswer() throws {
    for (version, _) in Self.versions {
      let (server, client) = (try server(), try client(version))
      server.shakeHands(with: client)
      let last = client.write(Array("last".utf8)) + client.close()
      _ = server.exchange(last)
      #expect(server.session.state == .ended)
      #expect(server.plaintext == Array("last".utf8))
      #expect(server.send(Array("bye".utf8)) != nil)
      // Behind its end nothing counts.
      _ = server.exchange([UInt8](repeating: 7, count: 50))
      #expect(server.session.state == .ended)
    }
  }

  @Test func ourEndIsSaidOnceAndUnderstood() throws {
    for (version, _) in Self.versions {
      let (server, client) = (try server(), try client(version))
      server.shakeHands(with: client)
      let bytes = try #require(server.send(Array("all".utf8))) + server.close()
      _ = client.exchange(bytes)
      #expect(client.read() == Array("all".utf8))
      #expect(client.hasEnded && !client.hasFailed)
      #expect(server.close() == [])
    }
  }

  @Test func nothingIsSentBeforeTheHandshake() throws {
    let server = try server()
    #expect(server.send([1]) == nil)
    #expect(server.close() == [])
    #expect(server.session.state == .handshaking)
  }
}
