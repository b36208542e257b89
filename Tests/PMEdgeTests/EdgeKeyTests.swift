import PMCrypto
import PMSystem
import PMTLS
import PMWire
import Scratch
import Testing

@testable import PMEdge

@Suite final class EdgeKeyTests {
  private let scratch: Scratch
  private var configuration = Configuration()

  init() throws {
    scratch = try Scratch()
    // The files lie beside each other, so that they go with the folder.
    configuration.runtimeDirectory = scratch.path
    configuration.stateDirectory = scratch.file("state")
    configuration.profile = .production
    configuration.publicName = "ai.example.org"
  }

  private var folder: String { configuration.edgeKeyDirectory }
  private func path(_ file: EdgeKeyFile) -> String { "\(folder)/\(file.rawValue)" }
  private func text(_ file: EdgeKeyFile) throws -> [UInt8] {
    try FileIO.read(path(file), bytesMax: 1 << 20)
  }
  /// The key that lies there.
  private func key() throws -> PrivateKey {
    let text = try text(.key)
    return try PrivateKey(pem: text.span)
  }

  private func prepared() throws -> String { try EdgeKey.prepare(configuration).hex }

  /// For the key that is there; if it is none, any digest will do.
  private func paths() throws -> CertificatePaths {
    let proven = (try? EdgeKey.prepare(configuration)) ?? EdgeKey.digest([])
    return try EdgeKey.paths(configuration, proven: proven)
  }

  private func fault(_ work: () throws -> Void) -> String {
    do {
      try work()
      return "none"
    } catch { return "\(error)" }
  }

  @Test func itIsBornOnceAndHasWhatBelongsToIt() throws {
    defer { clean() }
    let first = try prepared()
    let files = try EdgeKeyFile.allCases.map { try text($0) }
    #expect(try prepared() == first)
    // Nothing is written anew without need.
    #expect(try EdgeKeyFile.allCases.map { try text($0) } == files)
    let key = try key()
    #expect(EdgeKey.digest(key.publicKey).hex == first)
    let certified = try CertifiedKey(certificatePEM: try text(.certificate), key: key)
    #expect(certified.publicKey == key.publicKey)
    #expect(certified.speaks(for: "ai.example.org"))
    let paths = try paths()
    #expect(paths.publicKey == key.publicKey)
    #expect(paths.certificates == [path(.certificate)])
    #expect(paths.hasSelfSigned)
  }

  @Test func anotherNameMakesOtherPapersForTheSameKey() throws {
    defer { clean() }
    let first = try prepared()
    let (request, certificate) = (try text(.request), try text(.certificate))
    configuration.publicName = "other.example.org"
    #expect(try prepared() == first)
    #expect(try text(.request) != request)
    #expect(try text(.certificate) != certificate)
    let key = try key()
    let certified = try CertifiedKey(certificatePEM: try text(.certificate), key: key)
    #expect(certified.speaks(for: "other.example.org"))
    #expect(!certified.speaks(for: "ai.example.org"))
  }

  @Test func aLostOrForeignPaperIsWrittenAnew() throws {
    defer { clean() }
    let first = try prepared()
    let key = try key()
    let foreign = try PrivateKey().selfSignedCertificate(
      commonName: "x", alternativeNames: ["DNS:ai.example.org"])
    for bytes in [foreign, [], Array("garbage".utf8)] {
      try FileIO.replace(path(.certificate), with: bytes, mode: 0o600)
      #expect(try prepared() == first)
      let certificate = try text(.certificate)
      #expect(throws: Never.self) { try CertifiedKey(certificatePEM: certificate, key: key) }
    }
  }

  @Test(arguments: [
    "", "garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
  ])
  func aBrokenKeyIsAnErrorAndStays(_ broken: String) throws {
    defer { clean() }
    _ = try prepared()
    try FileIO.replace(path(.key), with: Array(broken.utf8), mode: 0o600)
    #expect(fault { _ = try prepared() } == "unusable")
    #expect(fault { _ = try paths() } == "unusable")
    #expect(try text(.key) == Array(broken.utf8))
  }

  @Test func aKeyThatOthersMayReadIsAnErrorAndStays() throws {
    defer { clean() }
    _ = try prepared()
    let key = try text(.key)
    for mode in [0o640, 0o604, 0o620] as [UInt32] {
      try FileIO.replace(path(.key), with: key, mode: mode)
      #expect(fault { _ = try prepared() } == "exposed")
      #expect(fault { _ = try paths() } == "exposed")
    }
    #expect(try text(.key) == key)
  }

  @Test func withoutAKeyTheEdgeHasNoPaths() throws {
    let proven = EdgeKey.digest([])
    #expect(fault { _ = try EdgeKey.paths(configuration, proven: proven) } == "unreadable")
  }

  @Test func aKeyThatWasNotProvedHasNoPaths() throws {
    defer { clean() }
    let proven = try EdgeKey.prepare(configuration)
    let other = try PrivateKey()
    try FileIO.replace(path(.key), with: try other.pem().bytes, mode: 0o600)
    #expect(fault { _ = try EdgeKey.paths(configuration, proven: proven) } == "another")
    try scratch.write(String(decoding: try other.pem().bytes, as: UTF8.self), to: "own.key")
    defer { scratch.remove("own.key") }
    configuration.tls.key = scratch.file("own.key")
    #expect(fault { _ = try EdgeKey.paths(configuration, proven: proven) } == "another")
    let paths = try EdgeKey.paths(configuration, proven: EdgeKey.digest(other.publicKey))
    #expect(paths.publicKey == other.publicKey)
  }

  @Test func namesThatCouldMeanMoreAreRefused() throws {
    defer { clean() }
    for name in ["", "a b", "a,DNS:b", "a:443", "ä.example", String(repeating: "a", count: 254)] {
      configuration.publicName = name
      #expect(throws: ConfigurationError.self, "\(name)") { try prepared() }
    }
    for name in ["192.0.2.1", "2001:db8::1", "localhost", nil] {
      configuration.publicName = name
      #expect(throws: Never.self) { try prepared() }
    }
  }

  @Test func theOperatorsKeyIsReadAndNothingIsWritten() throws {
    let key = try PrivateKey()
    try scratch.write(String(decoding: try key.pem().bytes, as: UTF8.self), to: "own.key")
    configuration.tls.key = scratch.file("own.key")
    configuration.tls.certificate = scratch.file("own.pem")
    #expect(try prepared() == EdgeKey.digest(key.publicKey).hex)
    #expect(FileIO.stamp(folder) == nil)
    let paths = try paths()
    #expect(paths.certificates == [scratch.file("own.pem")])
    #expect(!paths.hasSelfSigned)
    scratch.remove("own.key")
    #expect(fault { _ = try prepared() } == "unreadable")
    try scratch.write("garbage", to: "own.key")
    #expect(fault { _ = try prepared() } == "unusable")
  }

  @Test func storageDecidesTheFolder() throws {
    #expect(folder == scratch.path + "/edge-key")
    configuration.tls.keyStorage = .disk
    #expect(folder == scratch.file("state") + "/edge-key")
  }

  private func clean() {
    let inner = "edge-key/"
    for file in EdgeKeyFile.allCases { scratch.remove(inner + file.rawValue) }
    _ = FileIO.removeFolder(folder)
  }
}
