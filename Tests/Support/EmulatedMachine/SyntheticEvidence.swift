import PMCrypto
import Vectors

/// Reports under the synthetic roots: the bytes of a vector with other data, signed anew.
public struct SyntheticEvidence: Sendable {
  /// Which machine: its firmware level decides what the profiles say.
  public enum Chip: String, CaseIterable, Sendable {
    /// Genoa that meets the baseline.
    case baseline = "p03-genoa-v3"
    /// The same chip after an update of its firmware; meets the strict profile.
    case strict = "f01-genoa-strict"
    /// Genoa under the paravisor's signer; its report lies in a blob.
    case azure = "a01-azure"
  }

  /// VEK, intermediate, root.
  public let chain: [[UInt8]]
  private let template: [UInt8]
  private let key: SigningKey

  public init(_ chip: Chip) throws {
    let vector = Vector(path: "synthetic/cases/\(chip.rawValue)")
    chain = try vector.chain()
    key = try SigningKey("vek")
    if chip == .azure {
      template = Array(try vector.file("hcl.bin")[0x20..<0x4C0])
    } else {
      template = try vector.file("report.bin")
    }
  }

  /// A report that carries these 64 bytes.
  public func report(_ data: [UInt8]) throws(EmulationError) -> [UInt8] {
    var report = template
    report.replaceSubrange(0x50..<0x90, with: data)
    let signature = try key.signature(of: Array(report[0..<0x2A0]), digest: "SHA384")
    // SEQUENCE of two INTEGER; all lengths are below 128.
    guard signature.count > 4 else { throw .key }
    let rCount = Int(signature[3])
    let r = signature[4..<4 + rCount]
    let s = signature[(4 + rCount + 2)...]
    for (number, start) in [(r, 0x2A0), (s, 0x2E8)] {
      let bytes = number.reversed().prefix(48)
      let padded = bytes + [UInt8](repeating: 0, count: 72 - bytes.count)
      report.replaceSubrange(start..<start + 72, with: padded)
    }
    return report
  }

  /// What the host gives with an extended report: the whole chain.
  public var certificateTable: [UInt8] {
    let names = [
      "63da758de6644564adc5f4b93be8accd", "4ab7b379bbac4fe4a02f05aef327c782",
      "c0b406a4a803495297433fb6014cd0ae",
    ]
    let head = 24 * (names.count + 1)
    var (entries, body): ([UInt8], [UInt8]) = ([], [])
    for (name, certificate) in zip(names, chain) {
      entries += Hex.bytes(name) ?? []
      entries += littleEndian([head + body.count, certificate.count])
      body += certificate
    }
    let table = entries + [UInt8](repeating: 0, count: 24) + body
    return table + [UInt8](repeating: 0, count: 0x4000 - table.count)
  }

  /// The blob of Azure's paravisor around a report, with the TPM's key and the guest's bytes.
  public func blob(
    modulus: [UInt8], userData: [UInt8], bytes: Int
  ) throws(EmulationError) -> [UInt8] {
    let text =
      #"{"keys":[{"kid":"HCLAkPub","key_ops":["sign"],"kty":"RSA","e":"AQAB","n":""#
      + Base64URL.text(modulus.span) + #""}],"vm-configuration":{"secure-boot":true},"#
      + #""user-data":""# + Hex.text(userData.span).uppercased() + #""}"#
    let runtime = Array(text.utf8)
    let digest = HashFunction.sha256.digest(of: runtime.span)
    let report = try report(digest + [UInt8](repeating: 0, count: 32))
    let blob =
      Array("HCLA".utf8) + littleEndian([2, 1236 + runtime.count, 2, 0, 0, 0, 0]) + report
      + littleEndian([20 + runtime.count, 1, 2, 1, runtime.count]) + runtime
    guard blob.count <= bytes else { throw .vector }
    return blob + [UInt8](repeating: 0, count: bytes - blob.count)
  }

  private func littleEndian(_ numbers: [Int]) -> [UInt8] {
    numbers.flatMap { number in [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: number >> $0) } }
  }
}
