import PMCrypto
import PMJSON
import PMSystem
import Testing
import Vectors

@testable import PMAttest

@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct AppraisalTests {
  private static let azure = Vector(path: "synthetic/cases/d02-azure")

  @Test func theObjectHasTheMembersOfTheSpecification() throws {
    var found = try DocumentVector(Self.azure).appraise()
    found.url = "https://example.org\u{1B}[2J"
    let json = try JSONReader.read(JSONValue.object(found.json).utf8)
    #expect(
      json.object?.members.map(\.name) == [
        "verdict", "token", "url", "time", "platform", "profile", "product", "warnings", "factors",
        "report", "claims",
      ])
    #expect(json["verdict"]?.string == "proven")
    #expect(json["token"]?.isNull == true)
    #expect(json["url"]?.string == "https://example.org\\u{1b}[2J")
    #expect(json["time"]?.string == "2026-11-22T00:00:00Z")
    #expect(json["platform"]?.string == "azure-snp-vtpm")
    #expect(json["profile"]?.string == "baseline")
    #expect(json["product"]?.string == "Genoa")
    #expect(json["warnings"]?.array == [])
    #expect(json["claims"]?["host"]?.string == "synthetic.example")
    let factors = try #require(json["factors"]?.array)
    #expect(factors.compactMap { $0["name"]?.string } == Factor.Name.allCases.map(\.rawValue))
    #expect(factors.count == 19)
    for factor in factors {
      #expect(factor.object?.members.map(\.name) == ["name", "state", "token", "detail"])
    }
    let report = try #require(json["report"])
    #expect(report["version"]?.integer == 3)
    #expect(report["vmpl"]?.integer == 0)
    #expect(report["chip_id"]?.string?.utf8.count == 128)
    #expect(report["measurement"]?.string?.utf8.count == 96)
    #expect(report["id_key_digest"]?.string?.hasPrefix("942fd93e") == true)
    #expect(report["policy"]?.string == "0x3001f")
    #expect(report["platform_info"]?.string == "0x25")
    #expect(report["firmware"]?.string == "1.55.29")
    #expect(report["reported_tcb"] == ["bl": 10, "tee": 0, "snp": 23, "ucode": 84])
    #expect(report["pcrs"]?.array?.count == 24)
  }

  @Test func aRefusalNamesItsTokenEverywhere() throws {
    let found = try DocumentVector(Self.azure).with { $0.anchors = .amd }.appraise()
    let json = JSONValue.object(found.json)
    #expect(json["verdict"]?.string == "rejected" && json["token"]?.string == "ark-pin")
    #expect(json["report"]?.isNull == true && json["claims"]?.isNull == true)
    #expect(json["product"]?.isNull == true)
    #expect(found.conclusion.hasPrefix("REJECTED: "))
    #expect(found.conclusion.contains(FailureToken.arkPin.explanation))
    #expect(found.lines.contains { $0.hasPrefix("FAIL        amd-root        [ark-pin]") })
    #expect(found.lines.contains { $0.hasPrefix("NOT PROVEN  location") })
    #expect(found.lines.last == found.conclusion)
  }

  @Test func warningsAreInCapitals() throws {
    let vector = Vector(path: "synthetic/cases/p02-milan-v3")
    let evidence = try Evidence(vector)
    var examination = Examination(
      Verifier(anchors: evidence.anchors, at: evidence.time, rules: Rules()), on: .gate)
    try examination.examine(report: evidence.report, chain: evidence.chain)
    examination.judge(on: .snp)
    let found = examination.appraisal()
    #expect(found.warnings == [.milanWeak])
    #expect(found.lines.contains { $0.hasPrefix("MILAN-WEAK: ") })
    #expect(found.state(.product) == .pass)
  }

  @Test func aProvidedKeyIsTold() throws {
    let good = try DocumentVector(Self.azure).appraise()
    #expect(!good.lines.contains { $0.contains("operator provided") })
    let claims = try Claims(Array(#"{"v":1,"key_origin":"provided"}"#.utf8), platform: .snp)
    let provided = Appraisal(
      verdict: .proven, failures: [], unmet: [], factors: [], warnings: [], platform: .snp,
      profile: .baseline, time: WallTime(seconds: 0), subject: nil, claims: claims, url: nil)
    #expect(provided.lines.contains { $0.contains("operator provided") })
  }
}

@Suite struct PrintableTextTests {
  @Test func whatMovesATerminalIsEscaped() {
    #expect(PrintableText.of("straße 東京") == "straße 東京")
    #expect(PrintableText.of("a\u{1B}[2Jb\n\u{7F}\u{9B}") == #"a\u{1b}[2Jb\u{a}\u{7f}\u{9b}"#)
    #expect(
      PrintableText.of("\u{202E}\u{200B}\u{2028}\u{FEFF}") == #"\u{202e}\u{200b}\u{2028}\u{feff}"#)
  }

  @Test func atMost256Bytes() {
    for text in [String(repeating: "x", count: 252), "é", ""] {
      #expect(PrintableText.of(text) == text)
    }
    for scalar in ["x", "é", "東", "😀", "\u{1B}"] {
      let long = PrintableText.of(String(repeating: scalar, count: 10_000))
      #expect((248...256).contains(long.utf8.count) && long.hasSuffix("…"))
    }
    let exact = String(repeating: "x", count: 256)
    #expect(PrintableText.of(exact) == exact)
    #expect(PrintableText.of(exact + "x").utf8.count == 256)
  }

  @Test func everyTextOfADocumentIsMadePrintable() {
    let value: JSONValue = ["a\u{1B}": ["\u{7}", 1, nil, true, ["b": "\u{0}"]]]
    #expect(
      PrintableText.of(value)
        == ["a\\u{1b}": ["\\u{7}", 1, nil, true, ["b": "\\u{0}"]]])
  }
}

@Suite struct ExpectationsTests {
  private func read(_ text: String) throws -> Expectations {
    let object = try #require(try JSONReader.read(text).object)
    return try Expectations(json: object)
  }
  private let digest = String(repeating: "ab", count: 48)
  private let pcr = String(repeating: "CD", count: 32)

  @Test func aFileIsRead() throws {
    let found = try read(
      """
      {"measurements":["\(digest)"],"idKeys":["\(digest)"],"pcrs":{"4":["\(pcr)"],"11":[]},
       "chips":["0102030405060708"],"csps":["CN=x"],"claims":{"config_sha256":"x"}}
      """)
    #expect(found.measurements == [.init(repeating: 0xAB, count: 48)])
    #expect(found.idKeys == found.measurements)
    #expect(found.pcrs == [4: [.init(repeating: 0xCD, count: 32)], 11: []])
    #expect(found.chips == [[1, 2, 3, 4, 5, 6, 7, 8]])
    #expect(found.providers == ["CN=x"])
    #expect(found.claims == ["config_sha256": "x"])
    #expect(try read("{}") == Expectations())
  }

  @Test func whatIsNotUnderstoodIsNotLeftOut() throws {
    #expect(throws: ExpectationError.unknownMember) { try read(#"{"measurement":[]}"#) }
    for (member, values) in [
      (Expectations.Member.measurements, ["1", "[1]", #"["ab"]"#, #"["\#(pcr)"]"#, "null"]),
      (.idKeys, [#"["ab"]"#, "{}"]), (.chips, [#"["\#(pcr)"]"#, #"[""]"#]),
      (
        .pcrs,
        [
          "[]", #"{"24":[]}"#, #"{"-1":[]}"#, #"{"04":[]}"#, #"{"+4":[]}"#, #"{"x":[]}"#,
          #"{"4":["ab"]}"#, #"{"4":"\#(pcr)"}"#,
        ]
      ), (.csps, ["[1]", #""CN=x""#]), (.claims, ["[]", "1"]),
    ] {
      for value in values {
        #expect(throws: ExpectationError.value(member)) {
          try read("{\"\(member.rawValue)\":\(value)}")
        }
      }
    }
  }

  @Test func containmentIsMemberByMember() throws {
    func contains(_ text: String, _ expected: String) throws -> Bool {
      try JSONReader.read(text).contains(try JSONReader.read(expected))
    }
    #expect(try contains(#"{"a":1,"b":{"c":2,"d":3}}"#, #"{"b":{"d":3}}"#))
    #expect(try contains(#"{"a":1}"#, "{}"))
    #expect(try contains("[1,2]", "[1,2]"))
    #expect(try !contains("[1,2]", "[1]"))
    #expect(try !contains(#"{"a":1}"#, #"{"a":{}}"#))
    #expect(try !contains(#"{"a":{}}"#, #"{"a":1}"#))
    #expect(try !contains(#"{"a":{"b":1}}"#, #"{"a":{"b":2}}"#))
    #expect(try !contains(#"{}"#, #"{"a":null}"#))
  }
}
