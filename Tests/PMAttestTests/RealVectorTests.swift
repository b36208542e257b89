import PMCrypto
import PMJSON
import PMSystem
import Seeded
import Testing
import Vectors

@testable import PMAttest

/// Genuine reports under AMD's own roots: accepted as they are, refused when anything is changed.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct RealVectorTests {
  @Test func theVectorsAreThere() {
    #expect(Vectors.real.count == 7)
  }

  @Test(arguments: Vectors.real)
  func aGenuineReportIsAccepted(_ vector: Vector) throws {
    let (report, signer, _) = try Evidence(vector).verify()
    #expect(signer.product.rawValue == (try vector.text("product")))
    #expect(signer.kind.rawValue == (try vector.text("signer")))
    #expect(Int64(report.version) == (try vector.meta())["version"]?.integer)
  }

  @Test(arguments: Vectors.real)
  func aClockOneSecondOutsideAnyCertificateIsRefused(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    let spans = try evidence.chain.map(Forge.validity)
    func expected(_ second: Int64) -> String {
      // Root first; the last second of a certificate is the one before its end.
      for (name, span) in zip(["ark", "ask", "vek"], spans.reversed())
      where second < span.lowerBound || second >= span.upperBound {
        return "\(name)-time"
      }
      return "accept"
    }
    let edges = spans.flatMap { [$0.lowerBound - 1, $0.upperBound, $0.upperBound + 1] }
    for second in edges {
      let found = evidence.with { $0.time = WallTime(seconds: second) }.verdict
      #expect(found == expected(second) && found.hasSuffix("-time"), "\(second)")
    }
    // The chip's certificate is the youngest and ends first: its whole time is good.
    for second in [spans[0].lowerBound, spans[0].upperBound - 1] {
      #expect(evidence.with { $0.time = WallTime(seconds: second) }.verdict == "accept")
    }
  }

  @Test(arguments: Vectors.real)
  func withoutItsPinARootIsNobody(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    let others = try Product.allCases.map { product in
      product.rawValue == (try vector.text("product")) ? noPin : try Self.pin(of: product)
    }
    let anchors = TrustAnchors(milan: others[0], genoa: others[1], turin: others[2])
    #expect(evidence.with { $0.anchors = anchors }.verdict == "ark-pin")
    #expect(try evidence.with { $0.anchors = try .synthetic() }.verdict == "ark-pin")
  }

  @Test(arguments: Product.allCases)
  func theBuiltInPinIsThatOfAMDsRoot(_ product: Product) throws {
    #expect(TrustAnchors.amd.product(of: try Self.pin(of: product)) == product)
    #expect(TrustAnchors.amd.product(of: noPin) == nil)
  }

  private static func pin(of product: Product) throws -> Digest256 {
    let der = try Vectors.file("ca/\(product.rawValue.lowercased())/ark.der")
    let key = try #require(X509Certificate(der: der)?.publicKeyInfo)
    return try digest(of: key)
  }

  @Test(arguments: Vectors.real)
  func theOtherIntermediateDoesNotFit(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    let other = try vector.text("signer") == "VCEK" ? "asvk" : "ask"
    let folder = try vector.text("product").lowercased()
    let middle = try Vectors.file("ca/\(folder)/\(other).der")
    #expect(evidence.with { $0.chain[1] = middle }.verdict == "vek-issuer")
  }

  @Test(arguments: Vectors.real)
  func theCertificateOfAnotherChipDoesNotFit(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    for other in Vectors.real where other.path != vector.path {
      let foreign = try Evidence(other)
      // Two vectors come from one machine.
      if foreign.chain[0] == evidence.chain[0] { continue }
      let mixed = evidence.with {
        ($0.chain, $0.time) = (foreign.chain, foreign.time)
      }
      #expect(["report-sig", "signer-kind"].contains(mixed.verdict), "\(other)")
    }
  }

  @Test(arguments: Vectors.real)
  func oneBitFlippedAnywhereInTheReportIsRefused(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    var random = SeededRandom(seed: 1)
    for index in evidence.report.indices {
      let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
      let flipped = evidence.with { $0.report[index] ^= bit }
      #expect(flipped.verdict != "accept", "byte \(index), bit \(bit)")
    }
  }

  @Test(arguments: Vectors.real)
  func everyFifthByteOfTheLeafCounts(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    for index in stride(from: 0, to: evidence.chain[0].count, by: 5) {
      let flipped = evidence.with { $0.chain[0][index] ^= 0x01 }
      #expect(flipped.verdict != "accept", "byte \(index)")
    }
  }

  @Test(arguments: Vectors.real)
  func theLengthIsExact(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    #expect(evidence.with { $0.report.removeLast() }.verdict == "size")
    #expect(evidence.with { $0.report.append(0) }.verdict == "size")
    #expect(evidence.with { $0.report = [] }.verdict == "size")
  }

  @Test(arguments: Vectors.real)
  func numbersOfTheSignatureAreLittleEndianAndInRange(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    for field in [0x2A0..<0x2D0, 0x2E8..<0x318] {
      let reversed = evidence.with { $0.report[field].reverse() }
      #expect(["sig-range", "report-sig"].contains(reversed.verdict))
      let zero = evidence.with { item in field.forEach { item.report[$0] = 0 } }
      #expect(zero.verdict == "sig-range")
      let order = evidence.with { $0.report.replaceSubrange(field, with: Forge.order) }
      #expect(order.verdict == "sig-range")
      let long = evidence.with { $0.report[field.upperBound] = 1 }
      #expect(long.verdict == "sig-range")
    }
  }

  @Test(arguments: Vectors.real)
  func theOtherFormOfASignatureVerifies(_ vector: Vector) throws {
    let evidence = try Evidence(vector)
    let field = 0x2E8..<0x318
    let s = [UInt8](evidence.report[field])
    let mirrored = Forge.difference(Forge.order, s)
    #expect(mirrored != s)
    #expect(
      evidence.with { $0.report.replaceSubrange(field, with: mirrored) }.verdict == "accept")
  }
}
