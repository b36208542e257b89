import PMAttest
import PMCrypto
import PMJSON
import PMSystem
import Scratch
import Testing
import Vectors

@testable import PMVerify

@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct CollateralTests {
  private let scratch: Scratch
  /// The genuine Genoa chain of the vectors.
  private let chain: [[UInt8]]
  private let now = WallTime(seconds: 1_800_000_000)
  private static let chip = String(repeating: "5a", count: 64)
  /// Boot loader 10, TEE 0, SNP 23, microcode 84.
  private static let level = "0a00000000001754"

  init() throws {
    scratch = try Scratch()
    let genoa = try #require(Vectors.real.first { $0.description == "21-genoa-v3-ms" })
    chain = try genoa.chain()
  }

  private func run(
    _ place: String, kind: String = "vcek", product: String? = "Genoa", at time: WallTime? = nil,
    _ source: PlayedSource
  ) throws(CollateralRole.Fault) -> FoundCertificates? {
    let words = [place, scratch.path, Self.chip, Self.level, kind] + (product.map { [$0] } ?? [])
    return FoundCertificates(lines: try CollateralRole.run(words, source: source, at: time ?? now))
  }

  /// AMD's service, with the chain of the vectors.
  private var amd: PlayedSource {
    let chain = chain
    return PlayedSource { target, _ in
      let text = pem(chain[1]) + pem(chain[2])
      return HTTPAnswer(
        status: 200, body: target.hasSuffix("cert_chain") ? Array(text.utf8) : chain[0])
    }
  }

  // MARK: AMD's service

  @Test func aChipIsAskedForByItsNumberAndLevel() throws {
    let source = amd
    let found = try run("kds", source)
    #expect(found == FoundCertificates(vek: chain[0], intermediate: chain[1], ark: chain[2]))
    #expect(source.asked == [
      "amd /vcek/v1/Genoa/\(Self.chip)?blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=84",
      "amd /vcek/v1/Genoa/cert_chain",
    ])
  }

  @Test func aTurinIsAskedForByEightBytesAndOneLevelMore() throws {
    let level: [UInt8] = [1, 2, 3, 4, 0, 0, 0, 200]
    let wanted = try #require(
      Wanted(chip: Array(1...64), tcb: level, kind: .vcek, product: .turin))
    #expect(KeyDistribution.chipTarget(wanted, .turin)
      == "/vcek/v1/Turin/0102030405060708?fmcSPL=01&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=200")
    #expect(KeyDistribution.chipTarget(wanted, .genoa) == nil, "no level of that product")
  }

  @Test func aProvidersKeyIsNotPublic() throws {
    let source = amd
    let found = try run("kds", kind: "vlek", source)
    #expect(found == FoundCertificates(intermediate: chain[1], ark: chain[2]))
    #expect(source.asked == ["amd /vlek/v1/Genoa/cert_chain"])
  }

  @Test func aReportWithoutAProductIsNotAskedAbout() throws {
    let source = amd
    #expect(throws: CollateralRole.Fault.nothing) { try run("kds", product: nil, source) }
    #expect(source.asked.isEmpty)
  }

  @Test func theServiceIsAskedOnceAMinuteWhateverItAnswered() throws {
    let source = PlayedSource { _, _ in HTTPAnswer(status: 429) }
    let refused = CollateralRole.Fault.network(.refused(status: 429))
    #expect(throws: refused) { try run("kds", source) }
    for seconds in [0, 59] as [Int64] {
      let later = WallTime(seconds: now.seconds + seconds)
      #expect(throws: CollateralRole.Fault.tooSoon) { try run("kds", at: later, source) }
    }
    #expect(source.asked.count == 1)
    #expect(throws: refused) { try run("kds", at: WallTime(seconds: now.seconds + 60), source) }
    // A clock that was set back must not lock the service out for years.
    #expect(throws: refused) { try run("kds", at: WallTime(seconds: now.seconds - 1), source) }
    #expect(source.asked.count == 3)
  }

  @Test func whatWasFetchedIsInTheCache() throws {
    #expect(throws: CollateralRole.Fault.nothing) { try run("cache", amd) }
    let found = try run("kds", amd)
    let nobody = PlayedSource { _, _ throws(NetworkFault) in throw .timedOut }
    #expect(try run("cache", nobody) == found)
    #expect(throws: CollateralRole.Fault.nothing) { try run("cache", kind: "vlek", nobody) }
    #expect(nobody.asked.isEmpty)
    try removeCache()
  }

  @Test func anOperatorMayFillTheCacheByHand() throws {
    let bytes = Hex.bytes(Self.level)
    let level = try #require(bytes)
    let chip = [UInt8](repeating: 0x5A, count: 64)
    let made = Wanted(chip: chip, tcb: level, kind: .vcek, product: .genoa)
    let wanted = try #require(made)
    // SHA-256 of 64 bytes 5a, the level, and 00 for a chip's key; computed by sha256sum.
    let name = CertificateCache.name(wanted)
    #expect(name == "597836e770743e32cb2e95fbcca5acd9981dfc81489eb1dbef654c1107452869")
    try FileIO.makeFolder(scratch.file(name), mode: 0o700)
    try FileIO.replace(scratch.file("\(name)/mid.der"), with: chain[1], mode: 0o600)
    #expect(try run("cache", amd) == FoundCertificates(intermediate: chain[1]))
    // Longer than any certificate: as if it were not there.
    let long = [UInt8](repeating: 0, count: 4097)
    try FileIO.replace(scratch.file("\(name)/ark.der"), with: long, mode: 0o600)
    #expect(try run("cache", amd) == FoundCertificates(intermediate: chain[1]))
    try removeCache()
  }

  @Test func aFolderThatCannotBeWrittenAsksNobody() throws {
    let source = amd
    #expect(throws: CollateralRole.Fault.self) {
      try CollateralRole.run(
        ["kds", "/nonexistent", Self.chip, Self.level, "vcek", "Genoa"], source: source, at: now)
    }
    #expect(source.asked.isEmpty)
  }

  // MARK: The host's metadata

  private func metadata(_ vek: String, _ upper: String) -> [UInt8] {
    let document: JSONValue = [
      "vcekCert": .string(vek), "certificateChain": .string(upper), "tcbm": "5417000000000A",
      "cacheControl": "3600",
    ]
    return document.utf8
  }

  @Test func theHostsCertificatesAreText() throws {
    let body = metadata(pem(chain[0]), pem(chain[1]) + pem(chain[2]))
    let source = PlayedSource { _, _ in HTTPAnswer(status: 200, body: body) }
    let found = try run("imds", source)
    #expect(found == FoundCertificates(vek: chain[0], intermediate: chain[1], ark: chain[2]))
    #expect(source.asked == ["azure /metadata/THIM/amd/certification"])
    try removeCache()
  }

  @Test func theHostIsAskedThreeTimes() throws {
    let source = PlayedSource { _, _ throws(NetworkFault) in throw .timedOut }
    #expect(throws: CollateralRole.Fault.network(.timedOut)) { try run("imds", source) }
    #expect(source.asked.count == 3)
  }

  @Test func whatIsNoCertificateIsMissing() throws {
    let vek = chain[0]
    let bodies = [
      [], Array("[]".utf8), metadata("", ""), metadata("x", "y"),
      metadata(Base64.text(vek.span), pem(chain[1])),
      Array(#"{"vcekCert":7,"certificateChain":null}"#.utf8),
    ]
    for body in bodies {
      let source = PlayedSource { _, _ in HTTPAnswer(status: 200, body: body) }
      #expect(throws: CollateralRole.Fault.nothing) { try run("imds", source) }
    }
  }

  // MARK: Lists of revoked intermediates

  @Test func aListIsThatOfTheKindOfKey() throws {
    let source = PlayedSource { _, _ in HTTPAnswer(status: 200, body: [1, 2, 3]) }
    let service = KeyDistribution(source, until: .now().adding(seconds: 1))
    #expect(try service.revocationList(of: .milan, .vcek) == [1, 2, 3])
    #expect(try service.revocationList(of: .turin, .vlek) == [1, 2, 3])
    #expect(source.asked == ["amd /vcek/v1/Milan/crl", "amd /vlek/v1/Turin/crl"])
  }

  // MARK: Words and lines

  @Test func wordsAreReadStrictly() throws {
    let good: [String] = ["cache", scratch.path, Self.chip, Self.level, "vcek", "Genoa"]
    func changed(_ position: Int, _ word: String) -> [String] {
      var words = good
      words[position] = word
      return words
    }
    let bad: [[String]] = [
      [], Array(good.dropLast(2)), good + ["more"], changed(0, "dns"), changed(2, "5a"),
      changed(3, "00"), changed(4, "ark"), changed(5, "Naples"),
    ]
    for words in bad {
      #expect(throws: CollateralRole.Fault.usage, "\(words)") {
        try CollateralRole.run(words, source: amd, at: now)
      }
    }
  }

  @Test(arguments: [
    "vek", "vek !", "vek AA==\nvek AA==\n", "crl AA==\n", "vek AA== x\n", "vek AA=\n",
    "vek  AA==\n",
  ])
  func linesOfAnybodyAreReadStrictly(_ text: String) {
    #expect(FoundCertificates(lines: Array(text.utf8)) == nil)
  }

  @Test func noMoreThanTheBoundIsReadOrPrinted() throws {
    let line = "vek " + String(repeating: "A", count: FoundCertificates.linesBytesMax - 5) + "\n"
    #expect(FoundCertificates(lines: Array((line + "\n").utf8)) == nil)
    let long = [UInt8](repeating: 0, count: FoundCertificates.linesBytesMax)
    let source = PlayedSource { _, _ in HTTPAnswer(status: 200, body: long) }
    #expect(throws: CollateralRole.Fault.nothing) { try run("kds", source) }
  }

  /// The folders below the scratch folder, which goes by itself only when it is empty.
  private func removeCache() throws {
    for name in try Folder(scratch.path).names(countMax: 10) where name.utf8.count == 64 {
      for file in ["vek.der", "mid.der", "ark.der"] {
        OwnProcess.unlink(scratch.file("\(name)/\(file)"))
      }
      #expect(FileIO.removeFolder(scratch.file(name)))
    }
  }
}
