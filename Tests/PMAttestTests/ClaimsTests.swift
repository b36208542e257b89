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
