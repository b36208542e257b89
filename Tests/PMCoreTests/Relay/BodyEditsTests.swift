import PMCrypto
import PMJSON
import PMSystem
import PMWire
import Seeded
import Testing

@testable import PMCore

private func salts() throws -> CacheSalts {
  try CacheSalts(secret: SHA256().digest(of: Array("secret".utf8).span))
}

private func key(_ id: String, row: Int64 = 1) -> KeyDetails {
  KeyDetails(row: row, id: id, createdAt: WallTime(seconds: 0), source: .store)
}

private let noon = WallTime(seconds: 1_790_000_000 / 86_400 * 86_400 + 43_200)

// tidy:allow long-line: a document of one line is easier to compare
@Suite struct BodyEditsTests {
  // MARK: The cap

  private func clamped(
    _ members: String, _ cap: Int64?, _ route: Route = .chat
  ) -> [EditedBody] {
    let editor = { JSONBody(route, edits: BodyEdits(clampsOutput: true)) }
    return splits(Array(#"{\#(members)}"#.utf8)).map {
      EditedBody(editor(), $0, outputTokensMax: cap)
    }
  }

  @Test(arguments: [
    (#""model":"m""#, nil, #"{"model":"m"}"#),
    (#""model":"m""#, 7, #"{"model":"m","max_tokens":7}"#),
    (#""model":"m","max_tokens":5"#, 7, #"{"model":"m","max_tokens":5}"#),
    (#""model":"m","max_tokens":9"#, 7, #"{"model":"m","max_tokens":7}"#),
    (#""model":"m","max_tokens":9"#, nil, #"{"model":"m","max_tokens":9}"#),
    (#""max_tokens":9,"model":"m""#, 7, #"{"model":"m","max_tokens":7}"#),
    (#" "max_tokens" : 9 , "model":"m" "#, 7, #"{  "model":"m" ,"max_tokens":7}"#),
    (#""a":1, "max_tokens": 9 ,"model":"m""#, 7, #"{"a":1 ,"model":"m","max_tokens":7}"#),
    (#""model":"m" ,"max_tokens": 9 "#, 7, #"{"model":"m" ,"max_tokens":7}"#),
    (#""model":"m","max_completion_tokens":9"#, 7, #"{"model":"m","max_completion_tokens":7}"#),
    (
      #""max_tokens":9,"max_completion_tokens":3,"model":"m""#, 7,
      #"{"model":"m","max_tokens":7,"max_completion_tokens":3}"#
    ),
    (#""model":"m","max_tokens":null"#, 7, #"{"model":"m","max_tokens":7}"#),
    (#""model":"m","max_tokens":null"#, nil, #"{"model":"m"}"#),
    (#""model":"m","x":{"max_tokens":9}"#, 7, #"{"model":"m","x":{"max_tokens":9},"max_tokens":7}"#),
  ] as [(String, Int64?, String)])
  func theOutputIsClamped(_ members: String, _ cap: Int64?, _ wanted: String) {
    let isOfChat = members.contains("max_completion_tokens")
    for route in isOfChat ? [Route.chat] : [Route.chat, .completions, .messages] {
      for body in clamped(members, cap, route) { #expect(body.text == wanted) }
    }
  }

  @Test(arguments: [Route.completions, .messages])
  func aCapThatTheRouteDoesNotKnowIsNone(_ route: Route) {
    let members = #""model":"m","max_completion_tokens":9"#
    for body in clamped(members, 7, route) {
      #expect(body.text == #"{\#(members),"max_tokens":7}"#)
      #expect(body.facts?.outputTokensMax == nil)
    }
    let lookalike = #""model":"m","Max_Completion_Tokens":9"#
    for body in clamped(lookalike, 7, route) { #expect(body.fault == .ambiguous) }
  }

  @Test func theClientsOwnCapIsToldBeforeItIsLowered() {
    for body in clamped(#""model":"m","max_tokens":9"#, 7) {
      #expect(body.facts?.outputTokensMax == 9)
    }
  }

  @Test(arguments: ["0", "-1", "1e3", "5.0", #""5""#, "true", "[5]", "99999999999999999999"])
  func whatIsNoPlainCapIsNotLowered(_ value: String) {
    for name in ["max_tokens", "max_completion_tokens"] {
      let members = #""model":"m","\#(name)":\#(value)"#
      for body in clamped(members, 7) { #expect(body.fault == .ambiguous) }
      // Without a budget that is the vendor's to judge.
      #expect(EditedBody(JSONBody(.chat), "{\(members)}").text == "{\(members)}")
    }
  }

  @Test func aBudgetPaysForNoMoreAnswersThanAreCounted() {
    func prompts(_ count: Int) -> String {
      #""prompt":[\#(Array(repeating: "[1]", count: count).joined(separator: ","))]"#
    }
    for (members, isCounted) in [
      (#""n":128"#, true), (#""n":129"#, false), (#""best_of":129"#, false),
      (#""n":9223372036854775807"#, false), (prompts(1024), true), (prompts(1025), false),
    ] {
      let text = #"{"model":"m",\#(members)}"#
      let body = EditedBody(JSONBody(.completions, edits: BodyEdits(clampsOutput: true)), text)
      #expect(body.fault == (isCounted ? nil : .tooManyAnswers), "\(members.prefix(40))")
      #expect(EditedBody(JSONBody(.completions), text).fault == nil)
    }
  }

  @Test func routesWithoutOutputHaveNoCap() {
    let members = #""model":"m","max_tokens":9"#
    for body in clamped(members, 7, .embeddings) { #expect(body.text == "{\(members)}") }
  }

  // MARK: The salt

  private func salted(_ members: String, _ route: Route = .chat) throws -> EditedBody {
    let salt = try salts().salt(of: key("k"), at: noon)
    return EditedBody(JSONBody(route, edits: BodyEdits(cacheSalt: salt)), "{\(members)}")
  }

  @Test func aSaltIsAdded() throws {
    let salt = try #require(salts().salt(of: key("k"), at: noon)?.text(own: nil))
    #expect(salt.utf8.count == 43 && Base64URL.bytes(salt)?.count == 32)
    for route in [Route.chat, .completions, .messages] {
      let wanted = #"{"model":"m","cache_salt":"\#(salt)"}"#
      #expect(try salted(#""model":"m""#, route).text == wanted)
      #expect(try salted(#""cache_salt":null,"model":"m""#, route).text == wanted)
    }
    #expect(try salted(#""model":"m""#, .embeddings).text == #"{"model":"m"}"#)
  }

  @Test func aClientsOwnSaltIsWorkedIn() throws {
    let plain = try #require(salts().salt(of: key("k"), at: noon)?.text(own: nil))
    var seen: Set = [plain]
    for own in [#""a""#, #""b""#, #""""#, #""\#(plain)""#, "5"] {
      let body = try salted(#""model":"m","cache_salt":\#(own)"#)
      let salt = try JSONReader.read(body.text)["cache_salt"]?.string
      #expect(seen.insert(try #require(salt)).inserted)
      #expect(try salted(#""cache_salt":\#(own),"model":"m""#) == body)
    }
    let long = String(repeating: "x", count: BodyBounds.saltBytesMax)
    #expect(try salted(#""model":"m","cache_salt":"\#(long)""#).fault == .notJSON)
  }

  @Test func withoutACacheNoSaltGoesOn() {
    for text in [#"{"cache_salt":"x","model":"m"}"#, #"{"model":"m","cache_salt":"x"}"#] {
      for way in splits(Array(text.utf8)) {
        #expect(EditedBody(JSONBody(.chat), way).text == #"{"model":"m"}"#)
      }
    }
  }

  @Test func saltsArePerKeyAndDay() throws {
    let salts = try salts()
    func text(_ key: KeyDetails, days: Int64 = 0, own: String? = nil) -> String? {
      let time = WallTime(seconds: noon.seconds + days * 86_400)
      return salts.salt(of: key, at: time)?.text(own: own.map { Array($0.utf8) })
    }
    let (a, b) = (key("a"), key("b", row: 2))
    #expect(text(a) == text(a))
    // In any order: what is kept for a day never answers for another.
    #expect(Set([text(a), text(b), text(a, days: 1), text(b, days: 1)]).count == 4)
    #expect(text(a) == text(a, own: nil) && text(a) != text(b))
    #expect(text(a, own: "x") != text(b, own: "x"))
    #expect(text(a, own: "x") == text(a, own: "x"))
    #expect(text(a, own: "x") != text(a, days: 1, own: "x"))
    let midnight = WallTime(seconds: noon.seconds + 43_200)
    #expect(salts.salt(of: a, at: midnight)?.text(own: nil) == text(a, days: 1))
    let other = try CacheSalts(secret: SHA256().digest(of: Array("other".utf8).span))
    #expect(other.salt(of: a, at: noon)?.text(own: nil) != text(a))
    var off = a
    off.policy.usesPromptCache = false
    #expect(text(off) == nil)
  }

  // MARK: Any object, in any pieces

  /// One random member, as it is written.
  private struct Member {
    var name: String
    var value: String
    var before: String
    var inside: (String, String)
    var after: String
  }

  private static let named = [
    "stream_options", "max_tokens", "max_completion_tokens", "cache_salt", "n", "x", "max_token",
    "max_tokens_", "messages", "y-1",
  ]

  private static func value(_ name: String, _ random: inout SeededRandom) -> String {
    switch name {
    case "stream_options":
      ["null", "{}", #"{"include_usage":false}"#, #"{"a":[1,{"b":",}"}]}"#]
        .randomElement(using: &random) ?? ""
    case "max_tokens", "max_completion_tokens":
      ["null", "1", "500", "9223372036854775807"].randomElement(using: &random) ?? ""
    case "cache_salt": [#""salt""#, "null", #""\",""#].randomElement(using: &random) ?? ""
    case "n": ["1", "3", "null"].randomElement(using: &random) ?? ""
    default:
      ["1", "-0.5e3", "true", #""}\",{:\"max_tokens\":1,""#, #"{"max_tokens":9,"é":[]}"#, "[ 1 , 2 ]", "{ }"]
        .randomElement(using: &random) ?? ""
    }
  }

  private static func members(_ random: inout SeededRandom) -> [Member] {
    var blanks = String()
    func blank() -> String { ["", "", " ", "\n\t ", "\r\n"].randomElement(using: &random) ?? "" }
    var members = named.shuffled(using: &random).prefix(Int.random(in: 0...6, using: &random)).map {
      Member(
        name: $0, value: value($0, &random), before: blank(), inside: (blank(), blank()),
        after: blank())
    }
    blanks = blank()
    let model = Member(
      name: "model", value: #""m""#, before: blanks, inside: (blank(), blank()), after: blank())
    members.insert(model, at: .random(in: 0...members.count, using: &random))
    let stream = Member(
      name: "stream", value: Bool.random(using: &random) ? "true" : "false", before: blank(),
      inside: (blank(), blank()), after: blank())
    members.insert(stream, at: .random(in: 0...members.count, using: &random))
    return members
  }

  private static func pieces(
    _ bytes: [UInt8], _ random: inout SeededRandom
  ) -> [ArraySlice<UInt8>] {
    let longest = [1, 3, 20, 1000].randomElement(using: &random) ?? 1
    var (pieces, start): ([ArraySlice<UInt8>], Int) = ([], 0)
    while start < bytes.count {
      let end = min(bytes.count, start + Int.random(in: 0...longest, using: &random))
      pieces.append(bytes[start..<end])
      start = end
    }
    return pieces
  }

  /// What the editor must give: members that stay, each with all that stood between it and the value
  /// before it, and then what was lifted.
  private func expected(
    _ members: [Member], clamps: Bool, cap: Int64?, salt: CacheSalt?
  ) -> String {
    func raw(_ name: String) -> String? { members.first { $0.name == name }?.value }
    func number(_ name: String) -> Int64? { raw(name).flatMap { Int64($0) } }
    let lifted = Set(
      ["stream_options", "cache_salt"] + (clamps ? ["max_tokens", "max_completion_tokens"] : []))
    var (text, afterLast, isFirst) = ("{", "", true)
    for member in members {
      if !lifted.contains(member.name) {
        let isOpening = member.name == members.first?.name
        text += afterLast + (isFirst || isOpening ? "" : ",") + member.before
        text += "\"\(member.name)\"\(member.inside.0):\(member.inside.1)\(member.value)"
        isFirst = false
      }
      afterLast = member.after
    }
    text += afterLast
    if raw("stream") == "true" {
      let merged = [
        #"{"include_usage":false}"#: #"{"include_usage":true}"#,
        #"{"a":[1,{"b":",}"}]}"#: #"{"a":[1,{"b":",}"}],"include_usage":true}"#,
      ]
      text += #","stream_options":\#(merged[raw("stream_options") ?? ""] ?? #"{"include_usage":true}"#)"#
    } else if let options = raw("stream_options") {
      text += #","stream_options":\#(options)"#
    }
    if clamps {
      let own = (number("max_tokens"), number("max_completion_tokens"))
      if let tokens = own.0 ?? (own.1 == nil ? cap : nil) {
        text += #","max_tokens":\#(min(tokens, cap ?? tokens))"#
      }
      if let tokens = own.1 {
        text += #","max_completion_tokens":\#(min(tokens, cap ?? tokens))"#
      }
    }
    if let salt {
      let own = raw("cache_salt").flatMap { $0 == "null" ? nil : Array($0.utf8) }
      text += #","cache_salt":"\#(salt.text(own: own))""#
    }
    return text + "}"
  }

  @Test(arguments: 0..<4)
  func anyObjectInAnyPieces(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let salts = try salts()
    for _ in 0..<2500 {
      let members = Self.members(&random)
      let text =
        "{"
        + members.map {
          "\($0.before)\"\($0.name)\"\($0.inside.0):\($0.inside.1)\($0.value)\($0.after)"
        }.joined(separator: ",") + "}"
      let clamps = Bool.random(using: &random)
      let cap = Bool.random(using: &random) ? Int64.random(in: 1...1000, using: &random) : nil
      let salt = Bool.random(using: &random) ? salts.salt(of: key("k"), at: noon) : nil
      let wanted = expected(members, clamps: clamps, cap: cap, salt: salt)
      _ = try JSONReader.read(wanted)
      let pieces = Self.pieces(Array(text.utf8), &random)
      let body = EditedBody(
        JSONBody(.chat, edits: BodyEdits(cacheSalt: salt, clampsOutput: clamps)), pieces,
        outputTokensMax: cap)
      #expect(body.fault == nil && body.text == wanted, "\(text) in \(pieces.map(\.count))")
    }
  }

  /// However much stands between two members, little of it is kept.
  @Test func blanksWithoutEndAreNotKept() throws {
    let blanks = Array(repeating: UInt8(ascii: " "), count: 1 << 20)
    var editor = JSONBody(.chat, edits: BodyEdits(clampsOutput: true))
    var out = ByteBuffer()
    for part in [#"{"model":"m""#, "", #","max_tokens""#, "", ":5", "", #","x":"#, "", "1", "", "}"] {
      let bytes = part.isEmpty ? blanks : Array(part.utf8)
      for start in stride(from: 0, to: bytes.count, by: 4096) {
        let end = min(bytes.count, start + 4096)
        try editor.take(bytes[start..<end].span, into: &out)
      }
    }
    _ = try editor.check()
    editor.finish(outputTokensMax: 3, into: &out)
    // Only those before a value are passed at once, and the others up to the bound.
    #expect(out.count < blanks.count + 4 * BodyBounds.gapBytesMax)
    #expect(try JSONReader.read(out.bytes) == ["model": "m", "x": 1, "max_tokens": 3])
  }
}
