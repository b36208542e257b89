import PMCrypto
import PMJSON
import PMSystem
import Vectors

@testable import PMAttest

/// What came out: `accept`, or the token.
func verdict(_ work: () throws -> Void) -> String {
  do {
    try work()
    return "accept"
  } catch let token as FailureToken {
    return token.rawValue
  } catch {
    return "\(error)"
  }
}

/// A report, its chain and the rules to judge them by: the part of the verification that looks at
/// AMD's bytes alone.
struct Evidence {
  var report: [UInt8]
  var chain: [[UInt8]]
  var anchors: TrustAnchors
  var time: WallTime

  init(_ vector: Vector) throws {
    report = try vector.file("report.bin")
    chain = try vector.chain()
    anchors = try vector.text("roots") == "amd" ? .amd : .synthetic()
    time = try vector.time()
  }

  /// In the order that documents are verified in: structure, chain, binding.
  @discardableResult
  func verify() throws -> (report: Report, signer: SigningIdentity, tcb: PlatformTCB) {
    let report = try Report(report)
    let signer = try CertificateChain(der: chain).verify(anchors: anchors, at: time)
    return (report, signer, try report.verify(signedBy: signer))
  }

  var verdict: String { PMAttestTests.verdict { try verify() } }

  func with(_ edit: (inout Evidence) throws -> Void) rethrows -> Evidence {
    var copy = self
    try edit(&copy)
    return copy
  }
}

extension TrustAnchors {
  /// The roots of the synthetic vectors.
  static func synthetic() throws -> TrustAnchors {
    let pins = try Vectors.json("synthetic/anchors.json")
    func pin(_ name: String) throws -> Digest256 {
      guard let digest = pins[name]?.string.flatMap(Digest256.init) else {
        throw VectorError.noMember
      }
      return digest
    }
    return TrustAnchors(milan: try pin("Milan"), genoa: try pin("Genoa"), turin: try pin("Turin"))
  }
}

/// A digest that is no root's.
let noPin = Digest256(hex: String(repeating: "0", count: Digest256.byteCount * 2))!

func digest(of bytes: [UInt8]) throws -> Digest256 { try SHA256().digest(of: bytes.span) }
