import PMCrypto
import PMJSON
import Seeded
import Testing
import Vectors

@testable import PMAttest

@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct AzureVectorTests {
  @Test func theVectorsAreThere() {
    #expect(AzureVector.all.count == 13)
    #expect(AzureVector.accepted.count == 5)
  }

  @Test(arguments: AzureVector.all)
  func aMachineGetsItsVerdict(_ vector: Vector) throws {
    #expect(try AzureVector(vector).verdict == vector.text("expect"))
  }

  @Test(arguments: Vectors.real.filter { (try? $0.text("kind")) == "azure" })
  func theReportInTheBlobIsTheReportBesideIt(_ vector: Vector) throws {
    #expect(try HCLBlob(try vector.file("hcl.bin")).report == vector.file("report.bin"))
  }

  @Test(arguments: AzureVector.accepted)
  func everyByteOfTheQuoteCounts(_ vector: Vector) throws {
    let good = try AzureVector(vector)
    for index in good.evidence.quote.indices {
      let flipped = good.with { $0.evidence.quote[index] ^= 1 << UInt8(index % 8) }
      #expect(flipped.quoteVerdict == "quote-sig", "byte \(index)")
    }
    for index in stride(from: 0, to: good.evidence.signature.count, by: 5) {
      let flipped = good.with { $0.evidence.signature[index] ^= 0x10 }
      #expect(flipped.quoteVerdict == "quote-sig", "byte \(index)")
    }
    #expect(good.with { $0.evidence.signature.removeLast() }.quoteVerdict == "quote-sig")
    #expect(good.with { $0.evidence.signature.append(0) }.quoteVerdict == "quote-sig")
  }

  @Test(arguments: AzureVector.accepted)
  func theNonceIsExact(_ vector: Vector) throws {
    let good = try AzureVector(vector)
    #expect(good.quoteVerdict == "accept")
    #expect(good.with { $0.extraData = [] }.quoteVerdict == "quote-nonce")
    #expect(good.with { $0.extraData.append(0) }.quoteVerdict == "quote-nonce")
    #expect(good.with { $0.extraData.removeLast() }.quoteVerdict == "quote-nonce")
    for index in good.extraData.indices {
      #expect(good.with { $0.extraData[index] ^= 0x80 }.quoteVerdict == "quote-nonce")
    }
  }

  @Test(arguments: AzureVector.accepted)
  func everyPCRCounts(_ vector: Vector) throws {
    let good = try AzureVector(vector)
    for index in 0..<24 {
      for byte in [0, 31] {
        let changed = good.with { $0.evidence.pcrs[index][byte] ^= 1 }
        #expect(changed.quoteVerdict == "quote-pcr", "PCR \(index)")
      }
    }
    #expect(good.with { $0.evidence.pcrs.swapAt(0, 1) }.quoteVerdict != "")
    #expect(good.with { $0.evidence.pcrs.removeLast() }.quoteVerdict == "quote-pcr")
  }

  @Test(arguments: AzureVector.accepted)
  func everyByteOfTheRuntimeDataCounts(_ vector: Vector) throws {
    let good = try AzureVector(vector)
    let blob = try HCLBlob(good.evidence.hcl)
    let reportData = try Report(blob.report).reportData
    for index in blob.runtime.indices {
      let changed = try HCLBlob(
        good.with { $0.evidence.hcl[0x4D4 + index] ^= 0x01 }.evidence.hcl)
      #expect(verdict { try changed.match(reportData: reportData) } == "runtime-hash")
    }
    #expect(good.with { $0.evidence.hcl[0x4D4] ^= 0x01 }.verdict == "runtime-hash")
  }

  @Test(arguments: AzureVector.accepted)
  func allOfReportDataIsCompared(_ vector: Vector) throws {
    let blob = try HCLBlob(try AzureVector(vector).evidence.hcl)
    let reportData = try Report(blob.report).reportData
    #expect(verdict { try blob.match(reportData: reportData) } == "accept")
    for index in reportData.indices {
      var changed = reportData
      changed[index] ^= 1
      #expect(verdict { try blob.match(reportData: changed) } == "runtime-hash", "byte \(index)")
    }
  }

  @Test(arguments: AzureVector.accepted)
  func allOfUserDataIsCompared(_ vector: Vector) throws {
    let good = try AzureVector(vector)
    for index in [0, 31, 32, 63] {
      #expect(good.with { $0.userData[index] ^= 1 }.verdict == "user-data")
    }
    #expect(good.with { $0.userData.removeLast() }.verdict == "user-data")
    #expect(good.with { $0.userData = [] }.verdict == "user-data")
  }

  @Test(arguments: AzureVector.accepted)
  func whatLiesBehindTheRuntimeDataMeansNothing(_ vector: Vector) throws {
    let good = try AzureVector(vector)
    let end = try HCLBlob(good.evidence.hcl).runtime.count + 0x4D4
    let changed = good.with {
      for index in end..<$0.evidence.hcl.count { $0.evidence.hcl[index] = 0xEE }
    }
    #expect(changed.verdict == "accept")
    #expect(good.with { $0.evidence.hcl.removeSubrange(end...) }.verdict == "accept")
  }
}

extension AzureVector {
  /// What the quote alone gets, for the key that the blob names.
  var quoteVerdict: String {
    PMAttestTests.verdict {
      let key = try RuntimeData(try HCLBlob(evidence.hcl).runtime).attestationKey
      try Quote(evidence).verify(by: key, extraData: extraData)
    }
  }
}

/// Quotes that only a faulty TPM would sign.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct QuoteTests {
  private func verdict(_ edit: (inout [UInt8]) -> Void) throws -> String {
    let vector = Vector(path: "synthetic/cases/a01-azure")
    return try AzureVector(vector).with { edit(&$0.evidence.quote) }.signedAgain().quoteVerdict
  }

  // magic 6, signer 2 + 34, extraData 2 + 32, state 25, selection 10, digest 2 + 32.
  private let nonce = 42
  private let selection = 101
  private let digest = 111
  private let end = 145

  @Test func theLayoutIsTheOneWeTest() throws {
    var count = 0
    #expect(try verdict { count = $0.count } == "accept")
    #expect(count == end)
  }

  @Test func theFirstSixBytesAreATPMs() throws {
    for index in 0..<6 {
      #expect(try verdict { $0[index] ^= 1 } == "quote-magic", "byte \(index)")
    }
    #expect(try verdict { $0.removeLast($0.count - 5) } == "quote-magic")
  }

  @Test func theSelectionIsAllOfSHA256() throws {
    for index in selection..<digest {
      #expect(try verdict { $0[index] ^= 1 } == "quote-select", "byte \(index)")
    }
  }

  @Test func everyLengthFits() throws {
    #expect(try verdict { $0.append(0) } == "quote-parse")
    for count in [6, 7, 8, 41, 43, 60, 80, 100, 105, 111, 112, 113, 144] {
      #expect(try verdict { $0.removeSubrange(count...) } == "quote-parse", "\(count)")
    }
    // The signer's name and extraData longer than what is left.
    #expect(try verdict { $0[6] = 0xFF } == "quote-parse")
    #expect(try verdict { $0[nonce] = 0xFF } == "quote-parse")
    #expect(try verdict { $0[nonce + 1] = 31 } == "quote-nonce")
    #expect(try verdict { $0[digest + 1] = 33 } == "quote-parse")
    #expect(
      try verdict {
        $0[digest + 1] = 31
        $0.removeLast()
      } == "quote-parse")
    #expect(try verdict { $0[digest + 2] ^= 1 } == "quote-pcr")
  }

  @Test func clockAndFirmwareAreNotJudged() throws {
    #expect(try verdict { bytes in (76..<selection).forEach { bytes[$0] = 0x5A } } == "accept")
  }
}

@Suite struct HCLBlobTests {
  static let runtime = Array(#"{"keys":[]}"#.utf8)

  static func blob(_ edit: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 2600)
    func put(_ offset: Int, _ value: UInt32) {
      for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
    }
    bytes.replaceSubrange(0..<4, with: Array("HCLA".utf8))
    let count = UInt32(runtime.count)
    for (offset, value) in [
      (4, 2), (8, 1236 + count), (0xC, 2), (0x4C0, 20 + count), (0x4C4, 1), (0x4C8, 2), (0x4CC, 1),
      (0x4D0, count),
    ] as [(Int, UInt32)] { put(offset, value) }
    bytes.replaceSubrange(0x4D4..<0x4D4 + runtime.count, with: runtime)
    edit(&bytes)
    return bytes
  }

  private func token(_ edit: (inout [UInt8]) -> Void) -> String {
    verdict { _ = try HCLBlob(Self.blob(edit)) }
  }

  @Test func eachFieldHasItsToken() throws {
    #expect(try HCLBlob(Self.blob()).runtime == Self.runtime)
    #expect(token { $0[4] = 1 } == "accept")
    #expect(token { $0[0x10] = 9 } == "accept")
    for (offset, value, expected) in [
      (0, 0x68, "hcl-magic"), (4, 0, "hcl-version"), (4, 3, "hcl-version"),
      (7, 1, "hcl-version"), (0xC, 1, "hcl-request-type"), (0x4C4, 2, "hcl-data-version"),
      (0x4C4, 0, "hcl-data-version"), (0x4C8, 4, "hcl-report-type"), (0x4CC, 0, "hcl-hash"),
      (0x4CC, 4, "hcl-hash"), (0x4D2, 1, "hcl-var-size"), (0x4D3, 0xFF, "hcl-var-size"),
      (0x4D0, 10, "hcl-data-size"), (0x4C0, 0, "hcl-data-size"), (8, 0, "hcl-data-size"),
      (0xB, 1, "hcl-data-size"), (0x4C3, 0x80, "hcl-data-size"),
    ] as [(Int, UInt8, String)] {
      #expect(token { $0[offset] = value } == expected, "\(offset)")
    }
    for hash: UInt8 in 1...3 { #expect(token { $0[0x4CC] = hash } == "accept") }
  }

  /// Two faults: the earlier check wins.
  @Test func theOrderIsFixed() {
    let steps: [(offset: Int, value: UInt8, token: String)] = [
      (0, 0, "hcl-magic"), (4, 9, "hcl-version"), (0xC, 9, "hcl-request-type"),
      (0x4C4, 9, "hcl-data-version"), (0x4C8, 9, "hcl-report-type"), (0x4CC, 9, "hcl-hash"),
      (0x4D2, 9, "hcl-var-size"), (0x4C0, 9, "hcl-data-size"),
    ]
    for first in steps.indices {
      let found = token { bytes in
        for step in steps[first...] { bytes[step.offset] = step.value }
      }
      #expect(found == steps[first].token)
    }
  }

  @Test func theSizeHasBothEnds() {
    #expect(token { $0.removeSubrange(0x4D3...) } == "hcl-size")
    #expect(token { $0.removeSubrange(0x4D4...) } == "hcl-var-size")
    #expect(token { $0.removeSubrange((0x4D4 + Self.runtime.count)...) } == "accept")
    #expect(token { $0 += [UInt8](repeating: 0, count: 4096 - 2600) } == "accept")
    #expect(token { $0 += [UInt8](repeating: 0, count: 4097 - 2600) } == "hcl-size")
    #expect(token { $0 = [] } == "hcl-size")
  }

  @Test func everyHashIsFollowedByZeros() throws {
    for (code, hash) in [(1, HashFunction.sha256), (2, .sha384), (3, .sha512)] {
      let blob = try HCLBlob(Self.blob { $0[0x4CC] = UInt8(code) })
      var data = hash.digest(of: Self.runtime.span)
      data += [UInt8](repeating: 0, count: 64 - data.count)
      #expect(verdict { try blob.match(reportData: data) } == "accept")
      data[63] ^= 1
      #expect(verdict { try blob.match(reportData: data) } == "runtime-hash")
    }
  }

  @Test func damagedBlobsNeverTrap() {
    var random = SeededRandom(seed: 3)
    for _ in 0..<3000 {
      let bytes = Self.blob { bytes in
        for _ in 0..<3 {
          let offset =
            Bool.random(using: &random)
            ? Int.random(in: 0..<0x20, using: &random)
            : Int.random(in: 0x4C0..<0x4D4, using: &random)
          bytes[offset] = .random(in: .min ... .max, using: &random)
        }
        if Bool.random(using: &random) {
          bytes.removeLast(.random(in: 0...2600, using: &random))
        }
      }
      if let blob = try? HCLBlob(bytes) { #expect(blob.runtime == Self.runtime) }
    }
  }
}

@Suite struct RuntimeDataTests {
  /// A key of as many bits as digits ask for, in the JSON of the paravisor.
  private static func jwk(
    kid: String = "HCLAkPub", kty: String = "RSA", e: String = "AQAB", n: [UInt8] = modulus(256)
  ) -> String {
    #"{"kid":"\#(kid)","key_ops":["sign"],"kty":"\#(kty)","e":"\#(e)","n":"\#(base64URL(n))"}"#
  }
  private static func modulus(_ bytes: Int) -> [UInt8] {
    [0x80] + [UInt8](repeating: 0x11, count: bytes - 1)
  }
  private static func base64URL(_ bytes: [UInt8]) -> String { Base64URL.text(bytes.span) }

  private func token(_ text: String) -> String {
    verdict { _ = try RuntimeData(Array(text.utf8)) }
  }
  private func token(keys: String...) -> String {
    token(#"{"keys":[\#(keys.joined(separator: ","))]}"#)
  }

  @Test func theKeyIsFoundByItsNameAlone() throws {
    let other = Self.jwk(kid: "HCLEkPub", n: [0xC0] + [UInt8](repeating: 2, count: 255))
    for keys in ["\(Self.jwk()),\(other)", "\(other),\(Self.jwk())"] {
      let data = try RuntimeData(Array(#"{"keys":[\#(keys)]}"#.utf8))
      #expect(data.attestationKey.modulus == Self.modulus(256))
    }
    #expect(token(keys: other) == "ak")
    #expect(token(keys: Self.jwk(), Self.jwk()) == "ak")
    #expect(token(keys: Self.jwk(kid: "hclakpub")) == "ak")
    #expect(token(#"{"keys":{}}"#) == "ak")
    #expect(token("{}") == "ak")
  }

  @Test func theKeyIsRSAOfTheRightSize() {
    #expect(token(keys: Self.jwk()) == "accept")
    #expect(token(keys: Self.jwk(kty: "EC")) == "ak")
    for e in ["Aw", "AQAC", "AAEAAQ", "", "AQAB="] {
      #expect(token(keys: Self.jwk(e: e)) == "ak", "\(e)")
    }
    #expect(token(keys: Self.jwk(n: [0x7F] + Self.modulus(255))) == "ak")
    #expect(token(keys: Self.jwk(n: Self.modulus(255))) == "ak")
    #expect(token(keys: Self.jwk(n: Self.modulus(512))) == "accept")
    #expect(token(keys: Self.jwk(n: [1] + Self.modulus(512))) == "ak")
    #expect(token(keys: Self.jwk(n: [])) == "ak")
    #expect(token(keys: Self.jwk().split(separator: "\"n\"").joined(separator: "\"m\"")) == "ak")
  }

  @Test func theDocumentIsReadStrictly() {
    for text in [
      "", "[]", "{", "{}x", "{}\0", #"{"keys":[],"keys":[]}"#,
      #"{"keys":[\#(Self.jwk())],"vm-configuration":{"a":1,"a":2}}"#,
      #"{"keys":[{"kid":"HCLAkPub","kid":"HCLAkPub"}]}"#,
    ] {
      #expect(token(text) == "runtime-json", "\(text)")
    }
    #expect(verdict { _ = try RuntimeData([0x22, 0xFF, 0x22]) } == "runtime-json")
  }

  @Test func noiseNeverTraps() {
    var random = SeededRandom(seed: 4)
    let good = Array(#"{"keys":[\#(Self.jwk())],"user-data":"00"}"#.utf8)
    for _ in 0..<1500 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] =
          .random(in: .min ... .max, using: &random)
      }
      // What is still read has one key of a size that is allowed.
      if let data = try? RuntimeData(bytes) {
        #expect((2048...4096).contains(data.attestationKey.bitCount))
      }
    }
  }

  @Test func userDataIsHexOfAnyCaseOrAbsent() throws {
    func data(_ member: String) throws -> [UInt8]? {
      try RuntimeData(Array(#"{"keys":[\#(Self.jwk())]\#(member)}"#.utf8)).userData
    }
    #expect(try data(#","user-data":"00aBFf""#) == [0, 0xAB, 0xFF])
    #expect(try data(#","user-data":"""#) == [])
    for member in ["", #","user-data":"0""#, #","user-data":"0g""#, #","user-data":null"#] {
      #expect(try data(member) == nil)
    }
  }
}
