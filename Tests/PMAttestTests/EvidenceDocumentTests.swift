import PMCrypto
import PMJSON
import Seeded
import Testing

@testable import PMAttest

@Suite struct EvidenceDocumentTests {
  static let nonce = Nonce([UInt8](repeating: 0xA7, count: 32)) ?? .zero
  static let key = Digest256(hashing: [1, 2, 3].span)
  static let chain: [[UInt8]] = [.init(repeating: 0x30, count: 1400), [0x31], [0x32, 0xFF]]

  static let snp = EvidenceDocument(
    nonce: nonce, claims: Array("{\"v\":1}".utf8), key: key, chain: chain,
    body: .report((0..<1184).map { UInt8(truncatingIfNeeded: $0) }))

  static let azure = EvidenceDocument(
    nonce: nonce, claims: Array("{\"v\":1}".utf8), key: key, chain: chain,
    body: .azure(
      AzureEvidence(
        hcl: .init(repeating: 0xFB, count: 2600), quote: .init(repeating: 0xFF, count: 145),
        signature: .init(repeating: 0x3F, count: 256),
        pcrs: (0..<24).map { .init(repeating: $0, count: 32) })))

  private func token(_ text: String, _ demanded: Platform? = nil) -> String {
    verdict { _ = try EvidenceDocument(Array(text.utf8), demanded: demanded) }
  }

  /// The document with one member set, or taken away by nil.
  private func token(
    of document: EvidenceDocument, _ member: String, _ value: JSONValue?
  ) throws -> String {
    var object = try #require(try JSONReader.read(document.json).object)
    object[member] = value
    return token(JSONValue.object(object).text)
  }

  private func azureToken(_ member: String, _ value: JSONValue?) throws -> String {
    let object = try #require(try JSONReader.read(Self.azure.json).object)
    var inner = try #require(object["azure"]?.object)
    inner[member] = value
    return try token(of: Self.azure, "azure", .object(inner))
  }

  private func base64(_ count: Int) -> JSONValue {
    .string(Base64.text([UInt8](repeating: 0xFB, count: count).span))
  }

  @Test(arguments: [snp, azure])
  func whatIsWrittenIsRead(_ document: EvidenceDocument) throws {
    #expect(try EvidenceDocument(document.json) == document)
    #expect(try EvidenceDocument(document.json, demanded: document.platform) == document)
    for other in Platform.allCases where other != document.platform {
      #expect(
        token(String(decoding: document.json, as: UTF8.self), other) == "doc-platform")
    }
  }

  @Test func theLongestDocumentIsReadAndOneByteMoreIsNot() {
    let text = String(decoding: Self.snp.json, as: UTF8.self)
    let rest = EvidenceDocument.bytesMax - text.utf8.count
    #expect(token(text + String(repeating: " ", count: rest - 1)) == "accept")
    #expect(token(text + String(repeating: " ", count: rest)) == "accept")
    #expect(token(text + String(repeating: " ", count: rest + 1)) == "doc-size")
    #expect(token("") == "doc-size")
  }

  @Test func oneObjectAndNothingElse() {
    let text = String(decoding: Self.snp.json, as: UTF8.self)
    for broken in [
      text + "x", text + "{}", text + "\0", "\u{FEFF}" + text, "[\(text)]", "null", "\"\"", "{",
      String(text.dropLast()), "// comment\n" + text,
    ] {
      #expect(token(broken) == "doc-json", "\(broken.prefix(20))")
    }
    #expect(verdict { _ = try EvidenceDocument([0x22, 0xFF, 0x22]) } == "doc-json")
  }

  @Test func namesAreUniqueAtEveryLevel() {
    let text = String(decoding: Self.snp.json.dropLast(), as: UTF8.self)
    #expect(token(text + #","x":1}"#) == "accept")
    #expect(token(text + #","nonce":"\#(Self.nonce.hex)"}"#) == "doc-json")
    #expect(token(text + #","n\u006fnce":1}"#) == "doc-json")
    #expect(token(text + #","x":{"a":[{"b":1,"c":2,"b":1}]}}"#) == "doc-json")
    #expect(token(text + #","x":{"a":[{"b":1},{"b":1}]}}"#) == "accept")
  }

  @Test func nestingEndsAtEight() {
    let text = String(decoding: Self.snp.json.dropLast(), as: UTF8.self)
    func nested(_ depth: Int, _ open: String, _ close: String) -> String {
      // The document itself is one level.
      text + #","x":"# + String(repeating: open, count: depth - 1) + "1"
        + String(repeating: close, count: depth - 1) + "}"
    }
    for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
      #expect(token(nested(7, open, close)) == "accept")
      #expect(token(nested(8, open, close)) == "accept")
      #expect(token(nested(9, open, close)) == "doc-json")
    }
  }

  @Test func formatAndPlatformComeBeforeTheMembers() throws {
    #expect(token("{}") == "doc-format")
    #expect(token(#"{"format":"pmctl-attestation/v2"}"#) == "doc-format")
    #expect(token(#"{"format":1}"#) == "doc-format")
    #expect(token(#"{"format":"pmctl-attestation/v1"}"#) == "doc-platform")
    #expect(
      token(#"{"format":"pmctl-attestation/v1","error":"not-attested"}"#) == "not-attested")
    #expect(
      token(#"{"format":"pmctl-attestation/v1","platform":"snp","error":"not-attested"}"#)
        == "not-attested")
    #expect(token(#"{"error":"not-attested"}"#) == "doc-format")
    #expect(try token(of: Self.snp, "platform", nil) == "doc-platform")
    #expect(try token(of: Self.snp, "platform", "SNP") == "doc-platform")
    #expect(try token(of: Self.snp, "platform", ["snp"]) == "doc-platform")
    #expect(try token(of: Self.snp, "error", "other") == "accept")
  }

  @Test(arguments: ["nonce", "claims", "spki_sha256", "chain", "report"])
  func everyMemberMustBeThereInItsForm(_ member: String) throws {
    for value: JSONValue? in [nil, JSONValue.null, 1, true, [], [:], "", "?"] {
      let expected = member == "chain" && value == [] ? "chain-count" : "doc-member"
      #expect(try token(of: Self.snp, member, value) == expected, "\(String(describing: value))")
    }
  }

  @Test(arguments: ["hcl", "quote", "signature", "pcrs"])
  func everyMemberOfAzureMustBeThereInItsForm(_ member: String) throws {
    for value: JSONValue? in [nil, JSONValue.null, 1, true, [], [:], "", "?"] {
      #expect(try azureToken(member, value) == "doc-member", "\(String(describing: value))")
    }
    #expect(try azureToken("x", 1) == "accept")
  }

  @Test func hexIsLowerCaseAndOfExactLength() throws {
    for member in ["nonce", "spki_sha256"] {
      let digits = String(repeating: "ab", count: 32)
      #expect(try token(of: Self.snp, member, .string(digits)) == "accept")
      for wrong in [
        digits.uppercased(), "A" + digits.dropFirst(), String(digits.dropLast()), digits + "a",
        String(digits.dropLast(2)), digits + "ab", " " + digits, "0x" + digits.dropFirst(2),
      ] {
        #expect(try token(of: Self.snp, member, .string(wrong)) == "doc-member", "\(wrong)")
      }
    }
    var pcrs = [JSONValue](repeating: .string(String(repeating: "0f", count: 32)), count: 24)
    #expect(try azureToken("pcrs", .array(pcrs)) == "accept")
    #expect(try azureToken("pcrs", .array(pcrs.dropLast())) == "doc-member")
    #expect(try azureToken("pcrs", .array(pcrs + [pcrs[0]])) == "doc-member")
    pcrs[23] = .string(String(repeating: "0F", count: 32))
    #expect(try azureToken("pcrs", .array(pcrs)) == "doc-member")
  }

  @Test func base64IsCanonical() throws {
    // {"v":1}, and other texts that a lenient reader takes for the same bytes.
    #expect(try token(of: Self.snp, "claims", "eyJ2IjoxfQ==") == "accept")
    for wrong in [
      "eyJ2IjoxfQ", "eyJ2IjoxfQ=", "eyJ2IjoxfQ===", "eyJ2IjoxfR==", "eyJ2IjoxfQ==\n",
      "eyJ2 IjoxfQ==", " eyJ2IjoxfQ==", "eyJ2Ijo-fQ==", "eyJ2Ijo_fQ==", "=eyJ2IjoxfQ=",
      "eyJ2IjoxfQ==eyJ2", "eyJ2IjoxfQ==AAAA", "é", "====", "A===", "AA=A",
    ] {
      #expect(try token(of: Self.snp, "claims", .string(wrong)) == "doc-member", "\(wrong)")
    }
  }

  @Test func lengthsHaveBothEnds() throws {
    func expect(_ range: ClosedRange<Int>, _ token: (JSONValue) throws -> String) throws {
      for (count, isGood) in [
        (range.lowerBound - 1, false), (range.lowerBound, true), (range.upperBound, true),
        (range.upperBound + 1, false),
      ] {
        #expect(try token(base64(count)) == (isGood ? "accept" : "doc-member"), "\(count)")
      }
    }
    try expect(2...8192) { try token(of: Self.snp, "claims", $0) }
    try expect(1184...1184) { try token(of: Self.snp, "report", $0) }
    try expect(1...4096) { try token(of: Self.snp, "chain", [$0, $0, $0]) }
    try expect(0x4D4...4096) { try azureToken("hcl", $0) }
    try expect(64...1024) { try azureToken("quote", $0) }
    try expect(256...512) { try azureToken("signature", $0) }
  }

  @Test func theChainHasThreeAndIsCountedLast() throws {
    let one = base64(10)
    for count in [0, 1, 2, 4] {
      let chain = JSONValue.array(.init(repeating: one, count: count))
      #expect(try token(of: Self.snp, "chain", chain) == "chain-count")
    }
    #expect(try token(of: Self.snp, "chain", [one, one, 1]) == "doc-member")
    var both = try #require(try JSONReader.read(Self.snp.json).object)
    (both["chain"], both["report"]) = ([one], "?")
    #expect(token(JSONValue.object(both).text) == "doc-member")
  }

  @Test func theEvidenceOfTheOtherPlatformMustBeAbsent() throws {
    for value: JSONValue in [.null, [:], 1] {
      #expect(try token(of: Self.snp, "azure", value) == "doc-member")
      #expect(try token(of: Self.azure, "report", value) == "doc-member")
    }
    #expect(try token(of: Self.snp, "platform", "azure-snp-vtpm") == "doc-member")
    #expect(try token(of: Self.azure, "platform", "snp") == "doc-member")
  }

  /// A seeded stand-in for a fuzzer: damage never traps, and what is read is what was written, for
  /// every text has one meaning.
  @Test(arguments: [snp, azure])
  func damagedDocumentsAreRefusedOrMeanTheSame(_ document: EvidenceDocument) {
    var random = SeededRandom(seed: 12)
    let good = document.json
    for _ in 0..<1500 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[index] = .random(in: .min ... .max, using: &random)
        case 1: bytes.remove(at: index)
        case 2: bytes.insert(contentsOf: random.bytes(2), at: index)
        default: bytes.removeSubrange(index..<min(index + 40, bytes.count))
        }
      }
      guard let read = try? EvidenceDocument(bytes) else { continue }
      #expect((try? EvidenceDocument(read.json)) == read)
    }
  }

  @Test func noiseNeverTraps() {
    var random = SeededRandom(seed: 13)
    let pieces = ["{", "}", "[", "]", "\"", ":", ",", "\\u", "format", "1e9", "null", "é", "\0"]
    for _ in 0..<2000 {
      let text = (0..<Int.random(in: 0..<30, using: &random)).map { _ in
        pieces[Int.random(in: 0..<pieces.count, using: &random)]
      }.joined()
      #expect(token(text) != "accept")
    }
  }
}
