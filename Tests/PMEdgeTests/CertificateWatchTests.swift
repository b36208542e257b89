import PMSystem
import PMTLS
import Scratch
import Testing

@testable import PMEdge

@Suite struct CertificateWatchTests {
  private let scratch: Scratch
  private let key: PrivateKey
  private let loop: EventLoop

  init() throws {
    let parts = (try Scratch(), try PrivateKey(), try EventLoop())
    (scratch, key, loop) = parts
    try write(key, "key")
    try write(try certificate(key), "self")
  }

  private func write(_ key: PrivateKey, _ name: String) throws {
    try write(try key.pem().bytes, name)
  }
  private func write(_ bytes: [UInt8], _ name: String) throws {
    try FileIO.replace(scratch.file(name), with: bytes, mode: 0o600)
  }
  private func certificate(_ key: PrivateKey) throws -> [UInt8] {
    try key.selfSignedCertificate(commonName: "x", alternativeNames: ["DNS:localhost"])
  }

  private func watch(isFixed: Bool = true) -> CertificateWatch {
    CertificateWatch(
      CertificatePaths(
        [scratch.file("best")], selfSigned: scratch.file("self"), key: scratch.file("key"),
        publicKey: isFixed ? key.publicKey : nil),
      ticketKey: TicketKey(), loop: loop)
  }

  private func changes(_ watch: CertificateWatch) -> Bool {
    let before = watch.context
    watch.look()
    return watch.context !== before
  }

  @Test func theKeyVouchesForItselfUntilThereIsABetterOne() throws {
    let watch = watch()
    #expect(changes(watch))
    #expect(!changes(watch))
    try write(try certificate(PrivateKey()), "best")
    #expect(!changes(watch))
    try write(Array("garbage".utf8), "best")
    #expect(!changes(watch))
    try write(try certificate(key), "best")
    #expect(changes(watch))
    #expect(!changes(watch))
    // From here on only a better one counts.
    try write(try certificate(key), "self")
    #expect(!changes(watch))
    scratch.remove("best")
    #expect(!changes(watch))
    try write(try certificate(key), "best")
    #expect(changes(watch))
  }

  @Test func aRenewedCertificateOfItsOwnIsTaken() throws {
    let watch = watch()
    #expect(changes(watch))
    try write(try certificate(key), "self")
    #expect(changes(watch))
  }

  @Test func anotherKeyIsNotTaken() throws {
    let watch = watch()
    #expect(changes(watch))
    let other = try PrivateKey()
    try write(other, "key")
    try write(try certificate(other), "best")
    #expect(!changes(watch))
    scratch.remove("key")
    #expect(!changes(watch))
    // Certificates for the key in memory still are.
    try write(try certificate(key), "best")
    #expect(changes(watch))
  }

  @Test func aLoopWithAnotherKeyServesNothing() throws {
    let watch = watch()
    try write(try PrivateKey(), "key")
    #expect(!changes(watch))
    #expect(watch.context == nil)
    try write(key, "key")
    #expect(changes(watch))
  }

  @Test func inDevelopmentAPairIsReplacedAsAWhole() throws {
    let watch = watch(isFixed: false)
    #expect(changes(watch))
    let other = try PrivateKey()
    try write(try certificate(other), "best")
    #expect(!changes(watch))
    try write(other, "key")
    #expect(changes(watch))
  }
}
