import PMSystem
import Seeded
import Testing
import Vectors

@testable import PMAttest

@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct RevocationListTests {
  static let start: Int64 = 1_795_000_000
  static let end: Int64 = 1_796_000_000
  static let now: Int64 = 1_795_305_600

  /// Made once: signing takes longer than all else here.
  static let chain = Result {
    try [
      Forge.Certificate.vcek().der(), Forge.Certificate.ask().der(), Forge.Certificate.ark().der(),
    ]
  }

  private func verdict(_ der: [UInt8], at second: Int64 = now) throws -> String {
    let chain = try CertificateChain(der: Self.chain.get())
    return PMAttestTests.verdict {
      try RevocationList(der: der).check(chain, at: WallTime(seconds: second))
    }
  }

  private func list(_ serials: [Int], signer: String = "ark-milan", until end: Int64? = end)
    throws -> [UInt8]
  {
    try Forge.revocationList(revoking: serials, signer: signer, from: Self.start, until: end)
  }

  @Test func anIntermediateThatIsNotNamedIsGood() throws {
    #expect(try verdict(list([])) == "accept")
    #expect(try verdict(list([1, 65536, 65538])) == "accept")
  }

  @Test func aNamedIntermediateIsRevoked() throws {
    #expect(try verdict(list([65537])) == "crl-revoked")
    #expect(try verdict(list([1, 65537, 9])) == "crl-revoked")
  }

  @Test func onlyTheRootsListCounts() throws {
    #expect(try verdict(list([], signer: "ark-genoa")) == "crl-sig")
    #expect(try verdict(list([], signer: "ask-milan")) == "crl-sig")
    var damaged = try list([])
    damaged[damaged.count - 1] ^= 1
    #expect(try verdict(damaged) == "crl-sig")
  }

  @Test func theListHasItsTime() throws {
    let der = try list([65537])
    #expect(try verdict(der, at: Self.start - 1) == "crl-time")
    #expect(try verdict(der, at: Self.start) == "crl-revoked")
    #expect(try verdict(der, at: Self.end) == "crl-revoked")
    #expect(try verdict(der, at: Self.end + 1) == "crl-time")
    #expect(try verdict(list([], until: nil)) == "crl-time")
  }

  @Test func whatIsNoListIsRefused() throws {
    let der = try list([])
    for other in [[], [0], der + [0], Array(der.dropLast())] {
      #expect(try verdict(other) == "crl-sig")
    }
    #expect(throws: FailureToken.crlSig) {
      try RevocationList(der: [UInt8](repeating: 0, count: RevocationList.derBytesMax + 1))
    }
  }

  /// A seeded stand-in for a fuzzer.
  @Test func damagedListsNeverTrap() throws {
    let der = try list([1, 2, 3])
    var random = SeededRandom(seed: 13)
    for _ in 0..<500 {
      var other = der
      other[Int.random(in: 0..<der.count, using: &random)] ^=
        UInt8.random(in: 1 ... .max, using: &random)
      #expect(try verdict(other) != "accept")
    }
  }
}
