import PMCrypto
import PMJSON
import Testing
import Vectors

@testable import PMAttest

@Suite struct ClaimsTests {
  private func digest(_ text: String) -> Digest256 { Digest256(hashing: Array(text.utf8).span) }

  private func statement(_ platform: Platform) -> Claims.Statement {
    Claims.Statement(
      version: "0.0.0-test", platform: platform, host: "synthetic.example",
      bootID: "00000000000040008000000000000000", keyOrigin: .generated,
      binaries: Dictionary(
        uniqueKeysWithValues: ["pm-admin", "pm-core", "pm-edge", "pm-launch", "pmctl"].map {
          ($0, digest($0))
        }), vendor: ["privatemode-proxy": digest("privatemode-proxy")],
      configuration: digest("configuration"))
  }

  @Test(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
  func theBuilderWritesTheGoldenBytes() throws {
    let golden = try Vectors.json("binding-golden.json")["cases"]?.array?.last
    let claims = try #require(Claims(statement(.azure)))
    #expect(String(decoding: claims.bytes, as: UTF8.self) == golden?["claims_utf8"]?.string)
  }

  @Test(arguments: Platform.allCases)
  func whatIsWrittenIsRead(_ platform: Platform) throws {
    let claims = try #require(Claims(statement(platform)))
    #expect(try Claims(claims.bytes, platform: platform) == claims)
    for other in Platform.allCases where other != platform {
      #expect(verdict { _ = try Claims(claims.bytes, platform: other) } == "claims")
    }
    #expect(!claims.bytes.contains(0x20))
    #expect(!claims.isKeyProvided)
    var provided = statement(platform)
    provided.keyOrigin = .provided
    #expect(Claims(provided)?.isKeyProvided == true)
  }

  @Test func whatCoreToldIsAmongThem() throws {
    let key = try #require(Ed25519PublicKey(hex: digest("key").hex))
    let head = AccountClaims.Head(rows: 12, head: digest("row"))
    for heads in [nil, AccountClaims.Heads(ledger: head, audit: head)] {
      var told = statement(.snp)
      told.accounts = AccountClaims(receiptKey: key, heads: heads)
      let claims = try #require(Claims(told))
      #expect(try Claims(claims.bytes, platform: .snp).accounts == told.accounts)
      #expect(claims.object["receipt_key"]?.string == key.hex)
      #expect(claims.object["heads"]?["ledger"]?["rows"]?.integer == heads?.ledger.rows)
    }
    #expect(Claims(statement(.snp)).map { $0.accounts == nil } == true)
  }

  @Test(
    arguments: [
      #"{"heads":{"audit":null,"ledger":null},"receipt_key":"KEY"}"#: true,
      #"{"heads":{"audit":HEAD,"ledger":HEAD},"receipt_key":"KEY","x":1}"#: true,
      #"{"heads":{"audit":null,"ledger":HEAD},"receipt_key":"KEY"}"#: false,
      #"{"heads":null,"receipt_key":"KEY"}"#: false, #"{"receipt_key":"KEY"}"#: false,
      #"{"heads":{"audit":null,"ledger":null},"receipt_key":"KE"}"#: false,
      #"{"heads":{"audit":null,"ledger":null},"receipt_key":null}"#: false,
      #"{"heads":{"audit":{"rows":-1,"head":"KEY"},"ledger":HEAD},"receipt_key":"KEY"}"#: false,
      "{}": false,
    ])
  func whatCoreTellsIsReadStrictly(_ form: String, _ isUnderstood: Bool) throws {
    let digits = digest("x").hex
    let text = form.split(separator: "HEAD", omittingEmptySubsequences: false)
      .joined(separator: #"{"rows":1,"head":"KEY"}"#)
      .split(separator: "KEY", omittingEmptySubsequences: false).joined(separator: digits)
    let object = try #require(try JSONReader.read(text).object)
    #expect((AccountClaims(object) != nil) == isUnderstood)
  }

  @Test func claimsThatADocumentCannotCarryAreNotWritten() {
    var long = statement(.snp)
    let rest = 8192 - (Claims(long)?.bytes.count ?? 0)
    long.host += String(repeating: "x", count: rest)
    #expect(Claims(long)?.bytes.count == 8192)
    long.host += "x"
    #expect(Claims(long) == nil)
  }

  @Test(
    arguments: [
      #"{"v":1}"#: "accept", #"{"v":1,"platform":"snp","x":[{}]}"#: "accept",
      #"{"v":2}"#: "claims", #"{"v":1.0}"#: "claims", #"{"v":"1"}"#: "claims", "{}": "claims",
      "[]": "claims", "": "claims", "1": "claims", #"{"v":1} "x"#: "claims",
      #"{"v":1,"v":1}"#: "claims", #"{"v":1,"a":{"b":1,"b":2}}"#: "claims",
      #"{"v":1,"platform":"azure-snp-vtpm"}"#: "claims", #"{"v":1,"platform":null}"#: "claims",
      #"{"v":1,"platform":1}"#: "claims",
    ])
  func claimsAreReadStrictly(_ text: String, _ expected: String) {
    #expect(verdict { _ = try Claims(Array(text.utf8), platform: .snp) } == expected)
  }
}
