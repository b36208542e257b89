import PMJSON
import Testing

private func reason(_ bytes: [UInt8], allowsComments: Bool = false) -> JSONError.Reason? {
  do {
    _ = try JSONReader.read(bytes, allowsComments: allowsComments)
    return nil
  } catch {
    return error.reason
  }
}

private func reason(_ text: String, allowsComments: Bool = false) -> JSONError.Reason? {
  reason(Array(text.utf8), allowsComments: allowsComments)
}

@Suite struct JSONReaderTests {
  @Test func whatTheGrammarAllowsIsRead() {
    for text in Documents.valid { #expect(reason(text) == nil, "\(text)") }
  }

  @Test func whatTheGrammarDoesNotAllowIsRefused() {
    for text in Documents.invalid { #expect(reason(text) != nil, "\(text)") }
  }

  @Test func halfASurrogatePairIsNoString() {
    for text in Documents.halfSurrogates { #expect(reason(text) == .invalidEscape, "\(text)") }
  }

  @Test func onlyWellFormedUTF8IsRead() {
    for bytes in Documents.wellFormed {
      #expect(reason(Documents.quoted(bytes)) == nil, "\(bytes)")
    }
    for bytes in Documents.illFormed { #expect(reason(Documents.quoted(bytes)) != nil, "\(bytes)") }
  }

  @Test func valuesAreWhatTheySay() throws {
    #expect(try JSONReader.read(#""\u0041\uD83D\uDE00\/\t""#) == "A😀/\t")
    #expect(try JSONReader.read("-9223372036854775808") == .integer(.min))
    #expect(try JSONReader.read("9223372036854775807") == .integer(.max))
    #expect(try JSONReader.read("9223372036854775808") == .decimal("9223372036854775808"))
    #expect(try JSONReader.read("1.0") == .decimal("1.0"))
    #expect(try JSONReader.read("1e2") == .decimal("1e2"))
    let document = try JSONReader.read(#"{"b":[1,null],"a":{"c":true}}"#)
    #expect(document == ["b": [1, nil], "a": ["c": true]])
    #expect(document["a"]?["c"]?.boolean == true)
    #expect(document["c"] == nil)
    #expect(document.object?.members.map(\.name) == ["b", "a"])
  }

  @Test func aNameMayStandOnceInEachObject() {
    #expect(reason(#"{"a":1,"a":1}"#) == .duplicateName)
    #expect(reason(#"{"a":1,"\u0061":1}"#) == .duplicateName)
    #expect(reason(#"{"b":[{"a":1,"c":2,"a":3}]}"#) == .duplicateName)
    #expect(reason(#"{"a":{"a":1},"b":{"a":1}}"#) == nil)
    #expect(reason(#"{"a":1,"A":1}"#) == nil)
  }

  /// A look-up could not tell them apart (RFC 8259, 8.3, leaves it open).
  @Test func namesThatUnicodeCallsEqualAreOneName() {
    #expect(reason(#"{"\u00e9":1,"e\u0301":2}"#) == .duplicateName)
    #expect(reason(#"{"K":3,"\u212a":4}"#) == .duplicateName)
  }

  @Test func errorsTellTheirOffset() {
    func offset(_ text: String) -> Int? {
      do {
        _ = try JSONReader.read(text)
        return nil
      } catch {
        return error.offset
      }
    }
    #expect(offset(#"{"a":x}"#) == 5)
    #expect(offset(#"{"ab":1,"ab":2}"#) == 9)
    #expect(offset("[1,2") == 4)
    #expect(offset("{} x") == 3)
  }

  @Test func nestingIsBounded() {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    func objects(_ depth: Int) -> String {
      String(repeating: #"{"a":"#, count: depth) + "1" + String(repeating: "}", count: depth)
    }
    for make in [nested, objects] {
      #expect(reason(make(JSONReader.depthMax - 1)) == nil)
      #expect(reason(make(JSONReader.depthMax)) == nil)
      #expect(reason(make(JSONReader.depthMax + 1)) == .tooDeep)
    }
    #expect(reason(String(repeating: "[", count: 100_000)) == .tooDeep)
  }

  @Test func aFormatMayAskForLessNestingAndNotForMore() {
    func isRead(_ depth: Int, _ depthMax: Int) -> Bool {
      let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      return (try? JSONReader.read(Array(text.utf8), depthMax: depthMax)) != nil
    }
    #expect(isRead(7, 8) && isRead(8, 8) && !isRead(9, 8))
    let own = JSONReader.depthMax
    #expect(isRead(own, own * 2) && !isRead(own + 1, own * 2))
  }

  @Test func theDocumentIsBounded() {
    let largest = [UInt8](repeating: UInt8(ascii: "x"), count: JSONReader.documentBytesMax)
    #expect(reason(largest) == .unexpectedByte)
    #expect(reason(largest + [0x20]) == .tooLong)
  }

  @Test func commentsAreBlanksWhereTheyAreAllowed() {
    let commented = [
      "// a\n{}", "{} // the end", "/* a */ [ /* b */ 1 /**/ , // c\n 2 /***/ ]", "/* * / */1",
      "{/*a*/\"a\"/*b*/:/*c*/1/*d*/}", "//\r\n1", "/*\u{0}\u{FFFF}*/1",
    ]
    for text in commented {
      #expect(reason(text, allowsComments: true) == nil, "\(text)")
      #expect(reason(text) != nil, "\(text)")
    }
    for text in ["/", "/*", "/* *", "/*/", "/ /\n1", "1 /", "# a\n1", "[1/**/2]", "{}/*", "// a"] {
      #expect(reason(text, allowsComments: true) != nil, "\(text)")
    }
    #expect(reason(#"{"a":"// no /* comment"}"#) == nil)
  }
}
