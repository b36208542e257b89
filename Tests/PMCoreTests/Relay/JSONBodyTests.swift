import PMJSON
import PMSystem
import PMWire
import Testing

@testable import PMCore

private func edit(_ text: String, _ route: Route = .chat) -> EditedBody {
  EditedBody(JSONBody(route), text)
}

// tidy:allow long-line: a document of one line is easier to compare
@Suite struct JSONBodyTests {
  private static let asked = #""stream_options":{"include_usage":true}"#

  // MARK: What passes

  @Test(arguments: [
    #"{"model":"m"}"#, #"{"model":"m","stream":false}"#,
    #"{"model":"m","stream":null,"messages":[]}"#,
    "{ \"model\" :\t\"m\" ,\r\n\"x\" : [ 1 , 2 ] }",
    #"{"messages":[{"content":"\"stream\":true"}],"model":"m"}"#,
    #"{"model":"m","tools":[{"stream":true,"model":"other","n":9}]}"#, #"{"model":"m","é":1}"#,
  ])
  func aBodyWithoutStreamPassesAsItIs(_ text: String) {
    let body = edit(text)
    if text.contains("é") {
      #expect(body.fault == .ambiguous)
    } else {
      #expect(body.text == text)
      #expect(body.model == "m")
      #expect(body.facts?.isStream == false)
    }
  }

  @Test func blanksBehindTheObjectAreLeftOut() {
    #expect(edit("{\"model\":\"m\"} \r\n\t ").text == #"{"model":"m"}"#)
    #expect(edit(" {\"model\":\"m\"}").text == " {\"model\":\"m\"}")
    #expect(edit("{\"model\":\"m\"}\n").facts?.bodyBytes == 14)
  }

  @Test func theModelMayBeWrittenWithEscapes() {
    #expect(edit(#"{"model":"openai\/gpt-oss-120b"}"#).model == "openai/gpt-oss-120b")
    #expect(edit(#"{"model":"openai\/gpt-oss-120b"}"#).text == #"{"model":"openai\/gpt-oss-120b"}"#)
    #expect(edit(#"{"model":"\u0067pt"}"#).model == "gpt")
  }

  // MARK: Asking for usage

  @Test(arguments: [
    (#"{"model":"m","stream":true}"#, #"{"model":"m","stream":true,\#(asked)}"#),
    (#"{"stream":true,"model":"m"}"#, #"{"stream":true,"model":"m",\#(asked)}"#),
    (#"{"stream":true,"model":"m" }"#, #"{"stream":true,"model":"m" ,\#(asked)}"#),
    (
      #"{"stream_options":{},"stream":true,"model":"m"}"#, #"{"stream":true,"model":"m",\#(asked)}"#
    ),
    (
      #"{"stream":true,"stream_options":{},"model":"m"}"#, #"{"stream":true,"model":"m",\#(asked)}"#
    ),
    (
      #"{"stream":true,"model":"m","stream_options":{}}"#, #"{"stream":true,"model":"m",\#(asked)}"#
    ),
    (
      #"{"stream":true,"model":"m","stream_options":null}"#,
      #"{"stream":true,"model":"m",\#(asked)}"#
    ),
    (
      #"{"model":"m","stream":true,"stream_options": {"include_usage":false} , "x":1}"#,
      #"{"model":"m","stream":true , "x":1,\#(asked)}"#
    ),
    (
      #"{"model":"m","stream":true,"stream_options":{"a":[1,{"b":"}"}],"include_usage":true}}"#,
      #"{"model":"m","stream":true,"stream_options":{"a":[1,{"b":"}"}],"include_usage":true}}"#
    ),
    (
      #"{"model":"m","stream":true,"x":{"stream_options":{}}}"#,
      #"{"model":"m","stream":true,"x":{"stream_options":{}},\#(asked)}"#
    ),
    (
      #"{"model":"m","stream":true,"stream_options":{"include_usage":null,"x":1}}"#,
      #"{"model":"m","stream":true,"stream_options":{"include_usage":true,"x":1}}"#
    ),
  ])
  func aStreamIsAskedForItsUsage(_ text: String, _ wanted: String) throws {
    for way in splits(Array(text.utf8)) {
      let body = EditedBody(JSONBody(.chat), way)
      #expect(body.text == wanted, "\(way.map(\.count))")
      #expect(body.facts?.isStream == true)
    }
    _ = try JSONReader.read(wanted)
    #expect(edit(text, .completions).text == wanted)
  }

  @Test func theClientsOwnWishIsRemembered() {
    #expect(edit(#"{"model":"m","stream":true}"#).facts?.asksForUsage == false)
    func asks(_ options: String) -> Bool? {
      edit(#"{"model":"m","stream":true,"stream_options":\#(options)}"#).facts?.asksForUsage
    }
    #expect(asks(#"{"include_usage":true}"#) == true)
    #expect(asks(#"{"include_usage":false}"#) == false)
    #expect(asks(#"{"include_usage":"true"}"#) == false)
    #expect(asks("{}") == false)
    #expect(asks("null") == false)
  }

  @Test func otherRoutesAreNotAsked() {
    for route in [Route.messages, .embeddings] {
      let text = #"{"model":"m","stream":true,"stream_options":{"x":1}}"#
      #expect(edit(text, route).text == text)
      #expect(edit(#"{"model":"m","stream":true}"#, route).text == #"{"model":"m","stream":true}"#)
    }
  }

  /// Some clients write every member, null or not. The vendor refuses options without a stream.
  @Test func optionsWithoutAStreamStayAsTheyAre() {
    for options in ["null", #"{"x":1}"#, #"{"x":"\ud800"}"#] {
      let wanted = #"{"model":"m","stream":false,"stream_options":\#(options)}"#
      #expect(edit(wanted).text == wanted)
      #expect(
        edit(#"{"stream_options":\#(options),"model":"m","stream":false}"#).text == wanted)
    }
    #expect(
      edit(#"{"model":"m","stream_options":null,"stream":true}"#).text
        == #"{"model":"m","stream":true,\#(Self.asked)}"#)
  }

  @Test func optionsThatAreNoObjectAreTheVendorsToRefuse() {
    for value in ["5", "true", #""x""#, "[{}]"] {
      let text = #"{"model":"m","stream":true,"stream_options":\#(value)}"#
      #expect(edit(text).text == text)
    }
  }

  /// Otherwise they would pass as they are, and the stream would not be metered.
  @Test(arguments: [
    #"{"include_usage":false,"include_usage":false}"#, #"{"x":"\ud800"}"#,
  ])
  func optionsThatReadersDisagreeOnAreRefused(_ options: String) {
    #expect(edit(#"{"model":"m","stream":true,"stream_options":\#(options)}"#).fault == .ambiguous)
  }

  @Test func optionsAreBounded() {
    func text(_ count: Int) -> String {
      #"{"model":"m","stream":true,"stream_options":{"x":"\#(String(repeating: "y", count: count - 8))"}}"#
    }
    #expect(edit(text(BodyBounds.streamOptionsBytesMax)).fault == nil)
    #expect(edit(text(BodyBounds.streamOptionsBytesMax + 1)).fault == .notJSON)
  }

  // MARK: What is refused

  @Test(arguments: [
    ("", BodyFault.notJSON), ("{", .notJSON), ("[]", .notJSON), ("null", .notJSON),
    ("{}x", .notJSON),
    (#"{"model":"m"}{}"#, .notJSON), (#"{"model":"m",}"#, .notJSON), (#"{"model":"m""#, .notJSON),
    (#"{"model":"m","x":"\x"}"#, .notJSON), ("{\"model\":\"m\u{0}\"}", .notJSON),
    ("{}", .modelMissing), (#"{"model":""}"#, .modelMissing), (#"{"model":null}"#, .modelMissing),
    (#"{"model":1}"#, .modelMissing), (#"{"model":["m"]}"#, .modelMissing),
    (#"{"x":{"model":"m"}}"#, .modelMissing),
    (#"{"model":"a b"}"#, .modelMissing), (#"{"model":"a\r\nX: y"}"#, .modelMissing),
    (#"{"model":"é"}"#, .modelMissing),
    (#"{"model":"\ud800"}"#, .modelMissing), (#"{"model":"a\u0000"}"#, .modelMissing),
    (#"{"model":"a,b"}"#, .modelMissing),
    (#"{"model":"m","model":"m"}"#, .ambiguous), (#"{"model":"m","Model":"m"}"#, .ambiguous),
    (#"{"model":"m","MODEL":1}"#, .ambiguous), (#"{"model":"m","Stream":true}"#, .ambiguous),
    (#"{"model":"m","STREAM_OPTIONS":{}}"#, .ambiguous),
    (#"{"model":"m","Max_Tokens":1}"#, .ambiguous),
    (#"{"model":"m","max_Completion_tokens":1}"#, .ambiguous),
    (#"{"model":"m","N":2}"#, .ambiguous),
    (#"{"model":"m","Cache_Salt":"x"}"#, .ambiguous),
    (#"{"model":"m","\u006dodel":"x"}"#, .ambiguous),
    (#"{"model":"m","":1}"#, .ambiguous), (#"{"model":"m","a.b":1}"#, .ambiguous),
    (#"{"model":"m","ſtream":true}"#, .ambiguous),
    // What a laxer reader takes for a stream, or for more answers than one.
    (#"{"model":"m","stream":"true"}"#, .ambiguous), (#"{"model":"m","stream":1}"#, .ambiguous),
    (#"{"model":"m","stream":"yes"}"#, .ambiguous), (#"{"model":"m","stream":[]}"#, .ambiguous),
    (#"{"model":"m","n":"5"}"#, .ambiguous), (#"{"model":"m","n":5.0}"#, .ambiguous),
    (#"{"model":"m","n":5e0}"#, .ambiguous),
    (#"{"model":"m","n":99999999999999999999}"#, .ambiguous),
  ])
  func ambiguousAndBrokenBodiesAreRefused(_ text: String, _ fault: BodyFault) {
    for way in splits(Array(text.utf8)) {
      #expect(EditedBody(JSONBody(.chat), way).fault == fault, "\(way.map(\.count))")
    }
  }

  @Test func theModelsNameIsBounded() {
    func fault(_ count: Int) -> BodyFault? {
      edit(#"{"model":"\#(String(repeating: "m", count: count))"}"#).fault
    }
    #expect(fault(BodyBounds.modelBytesMax) == nil)
    #expect(fault(BodyBounds.modelBytesMax + 1) == .modelMissing)
    #expect(fault(100_000) == .modelMissing)
  }

  // MARK: Facts

  @Test func capsAndChoicesAreRead() {
    func facts(_ members: String) -> RequestFacts? { edit(#"{"model":"m",\#(members)}"#).facts }
    #expect(facts(#""max_tokens":100"#)?.outputTokensMax == 100)
    #expect(facts(#""max_completion_tokens":7"#)?.outputTokensMax == 7)
    #expect(facts(#""max_tokens":100,"max_completion_tokens":7"#)?.outputTokensMax == 100)
    #expect(facts(#""max_completion_tokens":7,"max_tokens":100"#)?.outputTokensMax == 100)
    #expect(facts(#""max_tokens":null"#)?.outputTokensMax == nil)
    #expect(facts(#""max_tokens":1e3"#)?.outputTokensMax == nil)
    #expect(facts(#""n":3"#)?.choices == 3)
    #expect(facts(#""n":null"#)?.choices == 1)
    #expect(facts(#""n":0"#)?.choices == 1)
    #expect(facts(#""n":-4"#)?.choices == 1)
    #expect(facts(#""x":1"#)?.choices == 1)
    #expect(facts(#""best_of":9,"n":3"#)?.choices == 9)
    #expect(facts(#""n":3,"best_of":2"#)?.choices == 3)
  }

  // MARK: Size

  @Test func aLargeBodyPassesInSmallPieces() throws {
    let content = String(repeating: #"lorem \"ipsum\" dolor, {[é😀 \u00e9\n"#, count: 5_000)
    let text = #"{"model":"m","messages":[{"role":"user","content":"\#(content)"}],"stream":true}"#
    let bytes = Array(text.utf8)
    var editor = JSONBody(.chat)
    var (sent, position, step) = (0, 0, 1)
    while position < bytes.count {
      let end = min(position + step, bytes.count)
      var out = ByteBuffer()
      try editor.take(Array(bytes[position..<end]).span, into: &out)
      sent += out.count
      // What comes in goes out, but for a name that is not known yet, and the end.
      #expect(sent > end - 16 && sent <= end)
      position = end
      step = step * 5 % 4093
    }
    let facts = try editor.check()
    #expect(facts.isStream && facts.bodyBytes == bytes.count)
    var last = ByteBuffer()
    editor.finish(outputTokensMax: nil, into: &last)
    #expect(sent == bytes.count - 1)
    #expect(last.text == ",\(Self.asked)}")
  }

  @Test func eachPromptOfCompletionsCounts() {
    func prompts(_ value: String, _ route: Route = .completions) -> Int64? {
      edit(#"{"model":"m","prompt":\#(value),"x":["y","z"]}"#, route).facts?.prompts
    }
    #expect(prompts(#""a""#) == 1)
    #expect(prompts(#"["a"]"#) == 1)
    #expect(prompts(#"[ "a" , "b", "c" ]"#) == 3)
    #expect(prompts("[1,2,3]") == 1)
    #expect(prompts(#"[[1,2],[3],["x","y"]]"#) == 3)
    #expect(prompts("[]") == 1)
    #expect(prompts("null") == 1)
    #expect(prompts(#"["a","b"]"#, .chat) == 1)
    #expect(edit(#"{"model":"m","Prompt":[]}"#, .completions).fault == .ambiguous)
    #expect(edit(#"{"model":"m","BEST_OF":2}"#, .completions).fault == .ambiguous)
  }
}
