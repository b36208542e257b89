import Seeded
import Testing
import Vectors

@testable import PMAttest

@Suite struct CertificateTableTests {
  static let vcek = identifier("63da758d-e664-4564-adc5-f4b93be8accd")
  static let vlek = identifier("a8074bc2-a25a-483e-aae6-39c045a0b8a1")
  static let intermediate = identifier("4ab7b379-bbac-4fe4-a02f-05aef327c782")
  static let ark = identifier("c0b406a4-a803-4952-9743-3fb6014cd0ae")
  static let revocationList = identifier("92f81bc3-5811-4d3d-97ff-d19f88dc67ea")

  private static func identifier(_ text: String) -> [UInt8] {
    let digits = text.filter { $0 != "-" }
    return stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(digits.dropFirst($0).prefix(2), radix: 16)
    }
  }

  private static func littleEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  struct Entry {
    var identifier: [UInt8]
    var offset: UInt32
    var length: UInt32
  }

  /// Entries, their end, and `payload` bytes of which each is the low byte of its place.
  private func table(_ entries: [Entry], payload: Int = 100, ended: Bool = true) -> [UInt8] {
    let head = entries.flatMap {
      $0.identifier + Self.littleEndian($0.offset) + Self.littleEndian($0.length)
    }
    let start = head.count + (ended ? 24 : 0)
    let body = (0..<payload).map { UInt8(truncatingIfNeeded: start + $0) | 1 }
    return head + (ended ? [UInt8](repeating: 0, count: 24) : []) + body
  }

  private func verdict(_ bytes: [UInt8]) -> String {
    PMAttestTests.verdict { _ = try CertificateTable(bytes) }
  }

  @Test func eachIdentifierHasItsPlace() throws {
    let entries = [Self.vcek, Self.vlek, Self.intermediate, Self.ark, Self.revocationList]
      .enumerated().map { Entry(identifier: $1, offset: 144 + UInt32($0) * 10, length: 10) }
    let bytes = table(entries)
    let read = try CertificateTable(bytes)
    #expect(read.vcek == bytes.bytes(144, 10))
    #expect(read.vlek == bytes.bytes(154, 10))
    #expect(read.intermediate == bytes.bytes(164, 10))
    #expect(read.ark == bytes.bytes(174, 10))
  }

  @Test func noTableAndAnEmptyOneAreNormal() throws {
    for bytes in [[], table([], payload: 0), table([], payload: 500)] {
      let read = try CertificateTable(bytes)
      #expect(read.vcek == nil && read.vlek == nil && read.intermediate == nil && read.ark == nil)
    }
  }

  @Test func theEndMustBeThere() {
    #expect(verdict([0]) == "cert-table")
    #expect(verdict([UInt8](repeating: 0, count: 23)) == "cert-table")
    let entry = Entry(identifier: Self.vcek, offset: 48, length: 1)
    #expect(verdict(table([entry], ended: false)) == "cert-table")
  }

  @Test func aPayloadLiesBehindTheEntriesAndInside() {
    func verdict(_ offset: UInt32, _ length: UInt32) -> String {
      self.verdict(table([Entry(identifier: Self.vcek, offset: offset, length: length)]))
    }
    #expect(verdict(48, 100) == "accept")
    #expect(verdict(148, 0) == "accept")
    for (offset, length) in [
      (47, 10), (0, 10), (48, 101), (49, 100), (149, 0), (.max, 1), (48, .max),
      (0xFFFF_FF00, 0x200), (.max, .max),
    ] as [(UInt32, UInt32)] {
      #expect(verdict(offset, length) == "cert-table", "\(offset) \(length)")
    }
  }

  @Test func aPayloadHasAtMostEightKilobytes() {
    func verdict(_ length: UInt32) -> String {
      let entry = Entry(identifier: Self.vcek, offset: 48, length: length)
      return self.verdict(table([entry], payload: 9000))
    }
    #expect(verdict(8191) == "accept")
    #expect(verdict(8192) == "accept")
    #expect(verdict(8193) == "cert-table")
  }

  @Test func theTableHasAtMostFourPages() {
    #expect(verdict(table([], payload: 0x4000 - 24)) == "accept")
    #expect(verdict(table([], payload: 0x4000 - 23)) == "cert-table")
  }

  @Test func noIdentifierComesTwice() {
    let unknown = [UInt8](repeating: 7, count: 16)
    for identifier in [Self.vcek, Self.revocationList, unknown] {
      let entry = Entry(identifier: identifier, offset: 72, length: 10)
      #expect(verdict(table([entry, entry])) == "cert-table")
    }
  }

  @Test func payloadsMayOverlap() throws {
    let bytes = table([
      Entry(identifier: Self.vcek, offset: 72, length: 20),
      Entry(identifier: Self.ark, offset: 82, length: 20),
    ])
    let read = try CertificateTable(bytes)
    #expect(read.vcek == bytes.bytes(72, 20) && read.ark == bytes.bytes(82, 20))
  }

  @Test func whatIsUnknownIsCheckedAndSkipped() {
    let unknown = [UInt8](repeating: 7, count: 16)
    #expect(verdict(table([Entry(identifier: unknown, offset: 48, length: 5)])) == "accept")
    #expect(verdict(table([Entry(identifier: unknown, offset: 48, length: 500)])) == "cert-table")
  }

  /// A seeded stand-in for a fuzzer: noise, and tables in which a few bytes are changed.
  @Test func damagedTablesNeverTrap() {
    var random = SeededRandom(seed: 11)
    var accepted = 0
    for _ in 0..<20_000 {
      let noise = random.bytes(Int.random(in: 0..<200, using: &random))
      #expect(noise.isEmpty || verdict(noise) == "cert-table" || noise.isZero(0..<24))
      var bytes = table([
        Entry(identifier: Self.vcek, offset: 72, length: 20),
        Entry(identifier: Self.ark, offset: 92, length: 80),
      ])
      for _ in 0..<Int.random(in: 1..<4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] =
          .random(in: .min ... .max, using: &random)
      }
      guard let read = try? CertificateTable(bytes) else { continue }
      accepted += 1
      #expect((read.vcek?.count ?? 0) <= bytes.count)
    }
    #expect((1000..<20_000).contains(accepted))
  }
}

/// Text of certificates, which a table and a provider's service may carry.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct PEMTests {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

  static func pem(_ der: [UInt8]) -> [UInt8] {
    var text = ""
    for start in stride(from: 0, to: der.count, by: 3) {
      let part = der[start..<min(start + 3, der.count)]
      let bits = part.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - part.count))
      for place in 0..<4 {
        text.append(place <= part.count ? alphabet[bits >> (18 - 6 * place) & 63] : "=")
      }
      if start % 48 == 45 { text.append("\n") }
    }
    if !text.hasSuffix("\n") { text.append("\n") }
    return Array("-----BEGIN CERTIFICATE-----\n\(text)-----END CERTIFICATE-----\n".utf8)
  }

  private func certificates() throws -> [[UInt8]] {
    try ["ask", "ark"].map { try Vectors.file("ca/genoa/\($0).der") }
  }

  @Test func aChainOfTextIsReadInItsOrder() throws {
    let der = try certificates()
    #expect(PEM.certificates(in: der.flatMap(Self.pem)) == der)
    #expect(PEM.certificates(in: []) == [])
  }

  @Test func oneDamagedCertificateSpoilsTheChain() throws {
    var text = try certificates().flatMap(Self.pem)
    text[text.count / 2 + 200] = UInt8(ascii: "*")
    #expect(PEM.certificates(in: text) == [])
  }

  @Test func thereIsALimit() throws {
    let text = Self.pem(try certificates()[0])
    func count(_ times: Int) -> Int {
      PEM.certificates(in: (0..<times).flatMap { _ in text }).count
    }
    #expect(count(PEM.certificatesMax - 1) == PEM.certificatesMax - 1)
    #expect(count(PEM.certificatesMax) == PEM.certificatesMax)
    #expect(count(PEM.certificatesMax + 1) == 0)
  }

  @Test func anEncryptedTextAsksNobody() throws {
    let head = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
    let text = "\(head)00112233445566778899AABBCCDDEEFF\n\nAAAA\n-----END CERTIFICATE-----\n"
    #expect(PEM.certificates(in: Array(text.utf8)) == [])
  }

  @Test func aTableMayCarryText() throws {
    let der = try certificates()[1]
    let text = Self.pem(der)
    func table(_ payload: [UInt8]) -> [UInt8] {
      let length = UInt16(payload.count)
      return CertificateTableTests.ark + [48, 0, 0, 0]
        + [UInt8(length & 255), UInt8(length >> 8), 0, 0]
        + [UInt8](repeating: 0, count: 24) + payload
    }
    #expect(try CertificateTable(table(text)).ark == der)
    for other in [text + text, Array(text.prefix(500))] {
      #expect(verdict { _ = try CertificateTable(table(other)) } == "cert-table")
    }
  }
}
