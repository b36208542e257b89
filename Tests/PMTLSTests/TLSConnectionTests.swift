import PMSystem
import Testing

@testable import PMTLS

@Suite struct TLSConnectionTests {
  private static let certificate = try? SelfSignedCertificate(alternativeNames: [
    "DNS:localhost", "IP:127.0.0.1",
  ])

  private func connect(
    _ manner: ListeningServer.Manner, host: String = "127.0.0.1", milliseconds: UInt64 = 10_000
  ) throws -> TLSConnection {
    let server = try ListeningServer(manner, try #require(Self.certificate))
    let deadline = Instant.now().adding(milliseconds: milliseconds)
    let loopback = InternetAddress(v4: (127, 0, 0, 1))
    let stream = try TCPStream(to: [loopback], port: server.port, until: deadline)
    return try TLSConnection(over: stream, host: host)
  }

  private func buffer(_ bytes: [UInt8]) -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.append(bytes)
    return buffer
  }

  @Test func theKeyIsThatOfTheServerOfThisConnection() throws {
    let files = try #require(Self.certificate)
    let connection = try connect(.echoes)
    let certified = try CertifiedKey(certificatePEM: files.certificatePEM, keyPEM: files.keyPEM)
    #expect(connection.peer == PeerCertificate(certified.leaf))
    #expect(connection.peer == PeerCertificate(der: connection.peer.der))
    #expect(connection.version == "TLSv1.3")
    // P-256: the fixed head of such a SubjectPublicKeyInfo, then an uncompressed point.
    #expect(connection.peer.publicKey.count == 91)
    #expect(connection.peer.publicKey.starts(with: [0x30, 0x59, 0x30, 0x13]))
  }

  @Test func bytesGoBothWays() throws {
    let connection = try connect(.echoes)
    for text in [Array("hello".utf8), (0..<30_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }] {
      try connection.send(buffer(text))
      var answer = ByteBuffer()
      while answer.count < text.count { #expect(try connection.receive(into: &answer)) }
      #expect(answer.bytes == text)
    }
  }

  /// The handshake ends well: what is wrong is told, and the caller decides.
  @Test func aCertificateThatNobodyVouchesForIsNoted() throws {
    #expect(try connect(.echoes).trust == .selfSigned)
  }

  @Test func anotherNameIsNoted() throws {
    // OpenSSL names the first fault it finds; the name alone would be `.otherName`.
    for host in ["ai.example.org", "127.0.0.2"] {
      let trust = try connect(.echoes, host: host).trust
      #expect(trust == .selfSigned || trust == .otherName, "\(host)")
    }
  }

  @Test func silenceEndsAtTheDeadline() throws {
    for manner in [ListeningServer.Manner.neverGreets, .fallsSilent] {
      let start = Instant.now()
      #expect(throws: TLSConnectionError.stream(.timedOut)) {
        let connection = try connect(manner, milliseconds: 300)
        try connection.send(buffer([1]))
        var answer = ByteBuffer()
        _ = try connection.receive(into: &answer)
      }
      let waited = Instant.now().millisecondsSince(start)
      #expect(waited >= 300 && waited < 5000, "\(manner): \(waited) ms")
    }
  }

  @Test func anotherProtocolIsAFailedHandshake() throws {
    #expect(throws: TLSConnectionError.handshake) { try connect(.speaksPlainText) }
  }

  @Test func aConnectionThatBreaksOffHasEnded() throws {
    let connection = try connect(.breaksOff)
    try connection.send(buffer([1]))
    var answer = ByteBuffer()
    #expect(try !connection.receive(into: &answer))
  }

  @Test func aShutPortIsUnreachable() throws {
    // Port 1 of loopback: nothing of ours binds it.
    #expect(throws: StreamFault.self) {
      try TCPStream(
        to: [InternetAddress(v4: (127, 0, 0, 1))], port: 1, until: .now().adding(seconds: 5))
    }
  }

  @Test func onlyAWholeCertificateIsRead() throws {
    let der = try connect(.echoes).peer.der
    #expect(PeerCertificate(der: []) == nil)
    #expect(PeerCertificate(der: der + [0]) == nil)
    #expect(PeerCertificate(der: Array(der.dropLast())) == nil)
    #expect(PeerCertificate(der: [UInt8](repeating: 0x30, count: 100)) == nil)
  }

  @Test func namesHaveAddresses() throws {
    let deadline = Instant.now().adding(seconds: 10)
    let literal = try HostName.addresses(of: "::1", until: deadline)
    #expect(literal == [InternetAddress(high: 0, low: 1)])
    let local = try HostName.addresses(of: "localhost", until: deadline)
    #expect(!local.isEmpty && local.allSatisfy(\.isLoopback))
    // A label of 64 letters is no name in any resolver (RFC 1035, 2.3.4).
    #expect(throws: StreamFault.unknownName) {
      try HostName.addresses(of: String(repeating: "a", count: 64), until: deadline)
    }
  }
}
