import PMSystem
import Seeded
import Testing
import Vectors

@testable import PMAttest

/// Chains under the synthetic roots, with one thing wrong in each.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct CertificateChainTests {
  typealias Certificate = Forge.Certificate
  static let now = WallTime(seconds: 1_795_305_600)

  private func verdict(
    vek: Certificate = .vcek(), ask: Certificate = .ask(), ark: Certificate = .ark(),
    at time: WallTime = now
  ) throws -> String {
    try verdict([vek.der(), ask.der(), ark.der()], at: time)
  }

  private func verdict(
    _ der: [[UInt8]], at time: WallTime = now, anchors: TrustAnchors? = nil
  ) throws -> String {
    let anchors = try anchors ?? .synthetic()
    return PMAttestTests.verdict {
      _ = try CertificateChain(der: der).verify(anchors: anchors, at: time)
    }
  }

  private func chain() throws -> [[UInt8]] {
    [try Certificate.vcek().der(), try Certificate.ask().der(), try Certificate.ark().der()]
  }

  @Test(arguments: Product.allCases)
  func aForgedChainInTheRightShapeIsAccepted(_ product: Product) throws {
    let der = [
      try Certificate.vcek(product).der(), try Certificate.ask(product).der(),
      try Certificate.ark(product).der(),
    ]
    #expect(try verdict(der) == "accept")
    #expect(try verdict(der, anchors: .amd) == "ark-pin")
  }

  @Test func thereAreThreeCertificates() throws {
    let der = try chain()
    #expect(try verdict(Array(der.prefix(2))) == "chain-count")
    #expect(try verdict(der + [der[2]]) == "chain-count")
    #expect(try verdict([]) == "chain-count")
  }

  @Test func allAreParsedBeforeAnyIsJudged() throws {
    let der = try chain()
    for index in der.indices {
      for damaged in [[], [0], Array(der[index].dropLast()), der[index] + [0]] {
        var other = der
        other[index] = damaged
        #expect(try verdict(other) == "cert-parse", "\(index)")
        #expect(try verdict(other, anchors: .amd) == "cert-parse", "\(index)")
      }
    }
  }

  @Test func aCertificateOfMoreThanFourKilobytesIsRefused() throws {
    func padded(_ count: Int) throws -> [UInt8] {
      let filler = [UInt8](repeating: 0, count: count)
      return try Certificate.vcek().with { $0.extensions.append(("99", filler)) }.der()
    }
    // Lengths from 256 on take three bytes, so that one more byte of filler is one more in all.
    let excess = try padded(2000).count - 2000
    let largest = try padded(X509Certificate.derBytesMax - excess)
    let larger = try padded(X509Certificate.derBytesMax - excess + 1)
    #expect(largest.count == X509Certificate.derBytesMax)
    #expect(larger.count == X509Certificate.derBytesMax + 1)
    #expect(try verdict([largest] + chain().dropFirst()) == "accept")
    #expect(try verdict([larger] + chain().dropFirst()) == "cert-parse")
  }

  @Test(arguments: [Forge.Padding.pkcs1, .pss(salt: 32), .pss(salt: 47)])
  func anotherSignatureSchemeIsRefused(_ padding: Forge.Padding) throws {
    #expect(try verdict(ark: .ark().with { $0.padding = padding }) == "ark-alg")
    #expect(try verdict(ask: .ask().with { $0.padding = padding }) == "ask-alg")
    #expect(try verdict(vek: .vcek().with { $0.padding = padding }) == "vek-alg")
  }

  @Test func authoritiesHaveKeysOf4096Bits() throws {
    let small = Certificate.ark().with { ($0.key, $0.signer) = ("tpm-ak", "tpm-ak") }
    let key = try #require(X509Certificate(der: small.der())?.publicKeyInfo)
    let pin = try PMAttestTests.digest(of: key)
    let anchors = TrustAnchors(milan: pin, genoa: noPin, turin: noPin)
    let under = Certificate.ask().with { $0.signer = "tpm-ak" }
    let der = [try Certificate.vcek().der(), try under.der(), try small.der()]
    #expect(try verdict(der, anchors: anchors) == "ark-rsa")

    let middle = Certificate.ask().with { $0.key = "tpm-ak" }
    let leaf = Certificate.vcek().with { $0.signer = "tpm-ak" }
    #expect(try verdict(vek: leaf, ask: middle) == "vek-rsa")
  }

  @Test func eachIsIssuedByTheOneAboveIt() throws {
    #expect(try verdict(ark: .ark().with { $0.issuer = "ARK-Genoa" }) == "ark-issuer")
    #expect(try verdict(ask: .ask().with { $0.issuer = "ARK-Genoa" }) == "ask-issuer")
    #expect(try verdict(vek: .vcek().with { $0.issuer = "SEV-Genoa" }) == "vek-issuer")
  }

  @Test func eachIsSignedByTheOneAboveIt() throws {
    #expect(try verdict(ask: .ask().with { $0.signer = "ark-genoa" }) == "ask-sig")
    #expect(try verdict(vek: .vcek().with { $0.signer = "ask-genoa" }) == "vek-sig")
    for (index, token) in [(2, "ark-sig"), (1, "ask-sig"), (0, "vek-sig")] {
      var der = try chain()
      der[index][der[index].count - 1] ^= 1
      #expect(try verdict(der) == token)
    }
  }

  @Test func theAlgorithmInsideIsTheOneOutside() throws {
    var der = try chain()
    // The first AlgorithmIdentifier lies inside the signed part; its salt length is its last byte.
    let salt: [UInt8] = [0xA2, 0x03, 0x02, 0x01, 0x30]
    let start = try #require(
      der[0].indices.first { der[0][$0...].starts(with: salt) })
    der[0][start + 4] = 0x20
    #expect(try verdict(der) == "vek-sig")
  }

  @Test func eachHasItsTime() throws {
    let (past, present) = (WallTime(seconds: 0), Self.now)
    let ended: (inout Certificate) -> Void = { ($0.start, $0.end) = (past, present) }
    #expect(try verdict(ark: .ark().with(ended)) == "ark-time")
    #expect(try verdict(ask: .ask().with(ended)) == "ask-time")
    #expect(try verdict(vek: .vcek().with(ended)) == "vek-time")
    let justBefore = WallTime(seconds: present.seconds - 1)
    #expect(try verdict(vek: .vcek().with(ended), at: justBefore) == "accept")
    let starting: (inout Certificate) -> Void = { $0.start = present }
    #expect(try verdict(vek: .vcek().with(starting)) == "accept")
    #expect(try verdict(vek: .vcek().with(starting), at: justBefore) == "vek-time")
  }

  @Test func theIntermediateIsAnAuthorityOfItsName() throws {
    #expect(try verdict(ask: .ask().with { $0.isAuthority = false }) == "ask-ca")
    for name in ["SEV-Genoa", "SEV-milan", "SEV-VLEK-Genoa", "ARK-Milan", "SEV-Milan "] {
      let middle = Certificate.ask().with { $0.subject = name }
      let leaf = Certificate.vcek().with { $0.issuer = name }
      // Names that differ in case or blanks are equal as issuers, not as names of a product.
      #expect(try verdict(vek: leaf, ask: middle) == "ask-cn", "\(name)")
    }
  }

  @Test func theLeafHasTheNameOfItsKind() throws {
    for name in ["SEV-VLEK", "SEV-VCEK2", "sev-vcek", "SEV-VCEK\0"] {
      #expect(try verdict(vek: .vcek().with { $0.subject = name }) == "vek-cn", "\(name)")
    }
    let middle = Certificate.ask().with { $0.subject = "SEV-VLEK-Milan" }
    let leaf = Certificate.vcek().with { $0.issuer = "SEV-VLEK-Milan" }
    #expect(try verdict(vek: leaf, ask: middle) == "vek-cn")
  }

  @Test func aProvidersLeafIsReadUnderItsOwnIntermediate() throws {
    let middle = Certificate.ask().with { ($0.subject, $0.key) = ("SEV-VLEK-Milan", "asvk-milan") }
    var leaf = Certificate.vcek().with {
      ($0.subject, $0.issuer, $0.signer) = ("SEV-VLEK", "SEV-VLEK-Milan", "asvk-milan")
    }
    #expect(try verdict(vek: leaf, ask: middle) == "ext-csp")
    leaf.extensions.removeAll { $0.arcs == "4" }
    leaf.extensions.append(("5", AMDExtensionsTests.provider))
    #expect(try verdict(vek: leaf, ask: middle) == "accept")
  }

  @Test(arguments: ["p256-leaf", "tpm-ak"])
  func theLeafKeyIsOnItsCurve(_ key: String) throws {
    #expect(try verdict(vek: .vcek().with { $0.key = key }) == "vek-key")
  }

  @Test func theExtensionsAreJudgedLast() throws {
    let bare = Certificate.vcek().with { $0.extensions = [] }
    #expect(try verdict(vek: bare) == "ext-missing")
    #expect(try verdict(vek: bare.with { $0.key = "p256-leaf" }) == "vek-key")
    let twice = Certificate.vcek().with { $0.extensions += [("1", AMDExtensionsTests.number(0))] }
    #expect(try verdict(vek: twice) == "ext-dup")
  }

  /// A seeded stand-in for a fuzzer, on genuine certificates and on noise.
  @Test func damagedCertificatesNeverTrap() throws {
    var random = SeededRandom(seed: 7)
    let genuine = try Evidence(try #require(Vectors.real.first))
    for _ in 0..<3000 {
      var chain = genuine.chain
      let index = Int.random(in: 0..<3, using: &random)
      for _ in 0..<Int.random(in: 1..<4, using: &random) where !chain[index].isEmpty {
        let place = Int.random(in: 0..<chain[index].count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: chain[index][place] ^= UInt8.random(in: 1 ... .max, using: &random)
        case 1: chain[index].removeSubrange(place...)
        default: chain[index].insert(.random(in: .min ... .max, using: &random), at: place)
        }
      }
      if chain == genuine.chain { continue }
      let found = try verdict(chain, at: genuine.time, anchors: .amd)
      #expect(found != "accept", "\(chain[index])")
      _ = X509Certificate(der: random.bytes(Int.random(in: 0..<200, using: &random)))
    }
  }
}
