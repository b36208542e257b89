import COpenSSL
import PMTLS
import Testing

private func error(_ certificate: [UInt8], _ key: [UInt8]) -> TLSError? {
  do throws(TLSError) {
    _ = try CertifiedKey(certificatePEM: certificate, keyPEM: key)
    return nil
  } catch {
    return error
  }
}

@Suite struct CertifiedKeyTests {
  private let files: SelfSignedCertificate
  private let others: SelfSignedCertificate

  init() throws {
    files = try SelfSignedCertificate(alternativeNames: ["DNS:localhost"])
    others = try SelfSignedCertificate(alternativeNames: ["DNS:localhost"])
  }

  @Test func aFreshPairIsTaken() throws {
    let certified = try CertifiedKey(certificatePEM: files.certificatePEM, keyPEM: files.keyPEM)
    #expect(
      certified.daysLeft == SelfSignedCertificate.daysValid
        || certified.daysLeft == SelfSignedCertificate.daysValid - 1)
  }

  @Test func theKeyMustBelongToTheCertificate() {
    #expect(error(files.certificatePEM, others.keyPEM) == .keyDoesNotMatch)
    #expect(error(others.certificatePEM, files.keyPEM) == .keyDoesNotMatch)
    // The leaf comes first in a chain.
    #expect(error(others.certificatePEM + files.certificatePEM, files.keyPEM) == .keyDoesNotMatch)
    #expect(error(files.certificatePEM + others.certificatePEM, files.keyPEM) == nil)
  }

  @Test func whatIsNoPEMIsRefused() {
    let garbage: [[UInt8]] = [
      [], [0], Array("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".utf8),
      Array("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8),
      [UInt8](repeating: 0xFF, count: 10_000), Array(files.certificatePEM.dropLast(40)),
      Array(files.certificatePEM.dropFirst(5)), files.keyPEM,
    ]
    for bytes in garbage { #expect(error(bytes, files.keyPEM) == .certificateUnusable) }
    let keys: [[UInt8]] = [
      [], [0], Array(files.keyPEM.dropLast(40)), files.certificatePEM,
      Array("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".utf8),
    ]
    for bytes in keys { #expect(error(files.certificatePEM, bytes) == .keyUnusable) }
  }

  @Test func otherTextAroundThePEMIsPassedOver() {
    let noise = Array("Subject: x\n\n".utf8)
    #expect(error(noise + files.certificatePEM + noise, noise + files.keyPEM) == nil)
    // Some tools put both into one file.
    let both = files.keyPEM + files.certificatePEM
    #expect(error(both, both) == nil)
  }

  /// Clients would refuse what is left of such a chain; better here than there.
  @Test func aDamagedChainIsRefused() {
    var damaged = others.certificatePEM
    damaged[damaged.count / 2] = UInt8(ascii: "!")
    #expect(error(files.certificatePEM + damaged, files.keyPEM) == .certificateUnusable)
    let cut = Array(others.certificatePEM.dropLast(30))
    #expect(error(files.certificatePEM + cut, files.keyPEM) == .certificateUnusable)
  }

  @Test func chainsAreBounded() {
    func chain(_ count: Int) -> [UInt8] {
      (1..<count).reduce(files.certificatePEM) { pem, _ in pem + others.certificatePEM }
    }
    #expect(error(chain(7), files.keyPEM) == nil)
    #expect(error(chain(8), files.keyPEM) == nil)
    #expect(error(chain(9), files.keyPEM) == .certificateUnusable)
  }

  @Test func certificatesOutsideTheirTimeAreRefused() throws {
    let expired = try #require(DatedCertificate(from: -86_400 * 10, to: -1))
    #expect(error(expired.certificatePEM, expired.keyPEM) == .certificateExpired)
    let future = try #require(DatedCertificate(from: 3600, to: 86_400))
    #expect(error(future.certificatePEM, future.keyPEM) == .certificateExpired)
    let short = try #require(DatedCertificate(from: -60, to: 86_400 * 3 + 60))
    let certified = try CertifiedKey(certificatePEM: short.certificatePEM, keyPEM: short.keyPEM)
    #expect(certified.daysLeft == 3)
    let today = try #require(DatedCertificate(from: -60, to: 60))
    #expect(
      try CertifiedKey(certificatePEM: today.certificatePEM, keyPEM: today.keyPEM).daysLeft == 0)
  }

  @Test func anEncryptedKeyIsRefusedWithoutAsking() throws {
    let locked = try #require(DatedCertificate(from: -60, to: 3600, passphrase: "secret"))
    #expect(error(locked.certificatePEM, locked.keyPEM) == .keyUnusable)
  }

  @Test func theOwnCertificateSpeaksForItsNamesOnly() throws {
    let files = try SelfSignedCertificate(alternativeNames: [
      "DNS:localhost", "IP:127.0.0.1", "IP:::1",
    ])
    let certified = try CertifiedKey(certificatePEM: files.certificatePEM, keyPEM: files.keyPEM)
    let context = try TLSContext(
      certified, ticketKey: [UInt8](repeating: 1, count: TLSContext.ticketKeyBytes))
    let server = try PlayedServer(context, try TLSPipe())
    let client = try #require(PlayedClient())
    server.shakeHands(with: client)
    #expect(client.isEstablished)
    #expect(client.serverSpeaksFor(host: "localhost"))
    #expect(client.serverSpeaksFor(address: "127.0.0.1"))
    #expect(client.serverSpeaksFor(address: "::1"))
    #expect(!client.serverSpeaksFor(host: "example.org"))
    #expect(!client.serverSpeaksFor(address: "127.0.0.2"))
  }

  @Test func namesThatAreNoneAreRefused() {
    for names in [["localhost"], ["DNS:"], ["IP:300.1.1.1"], ["EMAIL"]] {
      #expect(throws: TLSError.self, "\(names)") {
        try SelfSignedCertificate(alternativeNames: names)
      }
    }
  }
}
