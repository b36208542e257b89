import PMJSON
import Testing

private func strict(_ text: String) -> ScannedDocument { ScannedDocument(text, isStrict: true) }
private func reason(_ text: String) -> JSONError.Reason? { strict(text).error?.reason }

/// Names that the scanner would answer to, in their order.
private func names(_ text: String, _ wanted: StaticString, isStrict: Bool = true) -> Int {
  var scanner = JSONMemberScanner(isStrict: isStrict)
  let bytes = Array(text.utf8)
  var (position, found) = (0, 0)
  while let event = try? scanner.next(bytes.span, &position), event != .needsMore {
    if event == .name, scanner.nameIs(wanted) { found += 1 }
  }
  return found
}

@Suite struct JSONMemberScannerTests {
  // MARK: Grammar

  @Test func valuesThatTheGrammarAllowsPass() {
    for text in Documents.valid + Documents.halfSurrogates {
      let bytes = Documents.held(Array(text.utf8))
      #expect(ScannedDocument(bytes, isStrict: true).isWhole, "\(text)")
      #expect(ScannedDocument(bytes, isStrict: false).isWhole, "\(text)")
    }
  }

  @Test func valuesThatTheGrammarDoesNotAllowAreRefused() {
    for text in Documents.invalid {
      #expect(!ScannedDocument(Documents.held(Array(text.utf8)), isStrict: true).isWhole, "\(text)")
      // The same one level down, where the containers are others.
      let nested = Documents.held([0x5B] + Array(text.utf8) + [0x5D])
      if !["", " ", "[1,2,3]", "}", ",", "1,", "1 2", "//"].contains(text), reads(nested) == false {
        #expect(!ScannedDocument(nested, isStrict: true).isWhole, "\(text)")
      }
    }
  }

  private func reads(_ bytes: [UInt8]) -> Bool { (try? JSONReader.read(bytes)) != nil }

  @Test func onlyAnObjectIsFollowed() {
    for text in Documents.valid where !text.contains("{") {
      #expect(reason(text) == .unexpectedByte, "\(text)")
    }
    #expect(!strict("").isWhole)
    #expect(!strict("  ").isWhole)
    #expect(strict("").error == nil)
    #expect(strict(" \t\r\n{} \t\r\n").isWhole)
    #expect(reason("{} x") == .trailingBytes)
    #expect(reason("{}{}") == .trailingBytes)
    #expect(reason("{}\u{0}") == .trailingBytes)
    #expect(reason("\u{FEFF}{}") == .unexpectedByte)
  }

  @Test func onlyWellFormedUTF8Passes() {
    for bytes in Documents.wellFormed {
      for way in splits(Documents.held(Documents.quoted(bytes))) {
        #expect(ScannedDocument(way, isStrict: true).isWhole, "\(bytes)")
      }
    }
    for bytes in Documents.illFormed {
      for way in splits(Documents.held(Documents.quoted(bytes))) {
        #expect(!ScannedDocument(way, isStrict: true).isWhole, "\(bytes)")
      }
      // Behind sixteen plain bytes, where whole words are looked at.
      let long = Documents.quoted(Array("0123456789abcdefg".utf8) + bytes)
      #expect(!ScannedDocument(Documents.held(long), isStrict: true).isWhole, "\(bytes)")
    }
  }

  // MARK: Names

  @Test func namesAreUniqueAndPlain() {
    #expect(reason(#"{"a":1,"b":2,"a":3}"#) == .duplicateName)
    #expect(reason(#"{"a":1,"A":2}"#) == nil)
    #expect(reason(#"{"\u0061":1}"#) == .invalidName)
    #expect(reason(#"{"a\\b":1}"#) == .invalidName)
    #expect(reason(#"{"":1}"#) == .invalidName)
    #expect(reason(#"{"a b":1}"#) == .invalidName)
    #expect(reason(#"{"é":1}"#) == .invalidName)
    #expect(reason(#"{"a.b":1}"#) == .invalidName)
    #expect(reason("{\"a\u{0}\":1}") == .invalidName)
    #expect(reason(#"{"aZ09_-":1}"#) == nil)
    // Known hole: names of nested objects may repeat and be anything.
    #expect(strict(#"{"x":{"a b":1,"a b":2,"\u0061":3}}"#).isWhole)
  }

  @Test func theSkimmerLetsNamesBeAnythingAndAnswersToNone() {
    let text = #"{"\u0061":1,"a":2,"a":3,"":4,"é":5,"a b":6,"a\"":7}"#
    #expect(ScannedDocument(text, isStrict: false).isWhole)
    #expect(names(text, "a", isStrict: false) == 2)
    #expect(ScannedDocument(text, isStrict: false).members.count == 7)
  }

  @Test func aLongNameIsNeverTakenForItsBeginning() {
    let limit = JSONMemberScanner.nameBytesMax
    func object(_ count: Int) -> String { #"{"\#(String(repeating: "n", count: count))":1}"# }
    #expect(reason(object(limit - 1)) == nil)
    #expect(reason(object(limit)) == nil)
    #expect(reason(object(limit + 1)) == .invalidName)
    #expect(ScannedDocument(object(100_000), isStrict: false).isWhole)
    let sixtyFour: StaticString = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
    #expect(names(object(limit), sixtyFour) == 1)
    #expect(names(object(limit + 1), sixtyFour, isStrict: false) == 0)
    #expect(names(object(limit - 1), sixtyFour, isStrict: false) == 0)
    for pieces in splits(Array(object(limit + 9).utf8)) {
      #expect(ScannedDocument(pieces, isStrict: false).isWhole)
      #expect(ScannedDocument(pieces, isStrict: true).error?.offset == limit + 2)
    }
  }

  @Test func letterCaseMayBeIgnored() {
    var scanner = JSONMemberScanner(isStrict: true)
    let bytes = Array(#"{"Max_Tokens":1}"#.utf8)
    var position = 0
    #expect((try? scanner.next(bytes.span, &position)) == .name)
    #expect(scanner.nameIs(ignoringCase: "max_tokens"))
    #expect(!scanner.nameIs("max_tokens"))
    #expect(!scanner.nameIs(ignoringCase: "max_token"))
    // An underscore and a DEL differ from each other by the bit of letter case.
    #expect(!scanner.nameIs(ignoringCase: "max\u{7F}tokens"))
  }

  // tidy:allow long-line: a document of one line is easier to read whole
  @Test func nestedNamesAndQuotedOnesAreNotReported() {
    let text =
      #"{"a":"\"usage\":1,","b":{"usage":2},"c":[{"usage":3}],"usage":4,"d":"\\","e":"{\"usage\":5}"}"#
    for isStrict in [true, false] {
      #expect(names(text, "usage", isStrict: isStrict) == 1)
      #expect(ScannedDocument(text, isStrict: isStrict).members.count == 6)
    }
  }

  // MARK: Limits

  @Test func nestingIsBounded() {
    for (open, close) in [("[", "]"), (#"{"x":"#, "}")] {
      func nested(_ depth: Int) -> String {
        // The object itself is the first level.
        #"{"a":"# + String(repeating: open, count: depth - 1) + "1"
          + String(repeating: close, count: depth - 1) + "}"
      }
      for isStrict in [true, false] {
        func reason(_ depth: Int) -> JSONError.Reason? {
          ScannedDocument(nested(depth), isStrict: isStrict).error?.reason
        }
        #expect(reason(JSONMemberScanner.depthMax - 1) == nil)
        #expect(reason(JSONMemberScanner.depthMax) == nil)
        #expect(reason(JSONMemberScanner.depthMax + 1) == .tooDeep)
      }
    }
    // At the deepest level each container still remembers what it is.
    let deep = JSONMemberScanner.depthMax - 2
    let mixed = #"{"a":"# + String(repeating: "[", count: deep) + #"{"x":1]"#
    #expect(reason(mixed) == .unexpectedByte)
  }

  @Test func membersAreBounded() {
    func object(_ count: Int) -> String {
      "{" + (0..<count).map { "\"m\($0)\":0" }.joined(separator: ",") + "}"
    }
    #expect(reason(object(JSONMemberScanner.membersMax - 1)) == nil)
    #expect(reason(object(JSONMemberScanner.membersMax)) == nil)
    #expect(reason(object(JSONMemberScanner.membersMax + 1)) == .tooLong)
    // Nested ones are not counted.
    #expect(strict(#"{"a":\#(object(1000)),"b":0}"#).isWhole)
  }

  // MARK: Members and captures

  @Test func membersTellWhereTheyLie() {
    let text = #"  { "a" : 12 , "b":"x" }"#
    let members = strict(text).members
    let bytes = Array(text.utf8)
    #expect(members.count == 2)
    #expect(
      members.map { String(decoding: bytes[$0.valueStart..<$0.valueEnd], as: UTF8.self) } == [
        "12", #""x""#,
      ])
    #expect(members.map { bytes[$0.nameStart + 1] } == [0x61, 0x62])
  }

  @Test func capturesAreTheValueAndNothingElse() {
    func captures(_ text: String, _ max: Int) -> [String?] {
      ScannedDocument(text, isStrict: true, capturing: max).captures.map {
        $0.map { String(decoding: $0, as: UTF8.self) }
      }
    }
    let text = #"{"a": 12 ,"b":\#t"x\"y" , "c":{"d":[1 , 2]},"e":true,"f":-0.5e3}"#
    #expect(captures(text, 100) == ["12", #""x\"y""#, #"{"d":[1 , 2]}"#, "true", "-0.5e3"])
    #expect(captures(#"{"a":12345}"#, 4) == [nil])
    #expect(captures(#"{"a":12345}"#, 5) == ["12345"])
    #expect(captures(#"{"a":"12345"}"#, 6) == [nil])
    #expect(captures(#"{"a":"12345"}"#, 7) == [#""12345""#])
    // One that was too long does not spoil the next.
    #expect(captures(#"{"a":123456,"b":1}"#, 4) == [nil, "1"])
  }

  @Test func aCaptureIsForOneValueOnly() throws {
    var scanner = JSONMemberScanner(isStrict: true)
    let bytes = Array(#"{"a":1,"b":2}"#.utf8)
    var position = 0
    #expect(try scanner.next(bytes.span, &position) == .name)
    scanner.captureValue(bytesMax: 10)
    #expect(try scanner.next(bytes.span, &position) == .member)
    #expect(try scanner.next(bytes.span, &position) == .name)
    #expect(try scanner.next(bytes.span, &position) == .member)
    #expect(scanner.captured == Array("1".utf8))
  }
}
