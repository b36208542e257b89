import PMJSON
import Seeded
import Testing

@Suite struct JSONWriterTests {
  @Test func everyControlCharacterIsEscaped() throws {
    let all = String(String.UnicodeScalarView((0..<0x30).compactMap { Unicode.Scalar($0) }))
    let text = JSONValue.string(all + "\"\\/😀\u{7F}\u{2028}").text
    #expect(!text.unicodeScalars.contains { $0.value < 0x20 })
    #expect(try JSONReader.read(text).string == all + "\"\\/😀\u{7F}\u{2028}")
    #expect(JSONValue.string("\u{1}\u{1F}\n").text == #""\u0001\u001f\n""#)
  }

  @Test func bothFormsAreReadBack() throws {
    for seed in UInt64(0)..<200 {
      var random = SeededRandom(seed: seed)
      let value = Self.value(depth: 0, &random)
      #expect(try JSONReader.read(value.text) == value, "seed \(seed)")
      #expect(try JSONReader.read(value.indentedText) == value, "seed \(seed)")
    }
  }

  @Test func theIndentedFormIsForPeople() {
    let value: JSONValue = ["a": [1, ["b": nil]], "c": [], "d": [:]]
    #expect(value.indentedText == """
      {
        "a": [
          1,
          {
            "b": null
          }
        ],
        "c": [],
        "d": {}
      }
      """)
    #expect(value.text == #"{"a":[1,{"b":null}],"c":[],"d":{}}"#)
  }

  @Test func settingAMemberKeepsItsPlace() {
    var object: JSONObject = ["a": 1, "b": 2]
    object["a"] = 3
    object["c"] = 4
    object["b"] = nil
    #expect(JSONValue.object(object).text == #"{"a":3,"c":4}"#)
  }

  private static func value(depth: Int, _ random: inout SeededRandom) -> JSONValue {
    switch Int.random(in: 0..<(depth < 4 ? 7 : 5), using: &random) {
    case 0: return .null
    case 1: return .bool(.random(using: &random))
    case 2: return .integer(.random(in: .min ... .max, using: &random))
    case 3: return .decimal("-0.5e-7")
    case 4: return .string(string(&random))
    case 5: return .array((0..<Int.random(in: 0...4, using: &random)).map { _ in
      value(depth: depth + 1, &random)
    })
    default:
      return .object(JSONObject((0..<Int.random(in: 0...4, using: &random)).map { index in
        JSONObject.Member("\(index)" + string(&random), value(depth: depth + 1, &random))
      }))
    }
  }

  private static func string(_ random: inout SeededRandom) -> String {
    var text = ""
    for _ in 0..<Int.random(in: 0...8, using: &random) {
      let ceiling: UInt32 = [0x40, 0x100, 0x11_0000].randomElement(using: &random) ?? 1
      text.unicodeScalars.append(Unicode.Scalar(.random(in: 0..<ceiling, using: &random)) ?? "?")
    }
    return text
  }
}
