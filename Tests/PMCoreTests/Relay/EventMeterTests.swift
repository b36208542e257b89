import PMJSON
import PMSystem
import PMWire
import Testing

@testable import PMCore

/// What a client gets of one event.
private func shown(
  _ event: String, _ meter: inout EventMeter
) -> String? {
  let bytes = Array(event.utf8)
  switch meter.judge(bytes.span) {
  case .pass: return event
  case .drop: return nil
  case .cut(let range):
    return String(decoding: bytes[..<range.lowerBound] + bytes[range.upperBound...], as: UTF8.self)
  }
}

private func shown(_ event: String, showsUsage: Bool = false) -> String? {
  var meter = EventMeter(.openAI, showsUsage: showsUsage)
  return shown(event, &meter)
}

// tidy:allow long-line: an event is one line
@Suite struct EventMeterTests {
  private static let usage = #""usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}"#

  // MARK: Cutting

  @Test(arguments: [
    (#"{"id":"x","choices":[{}],\#(usage)}"#, #"{"id":"x","choices":[{}]}"#),
    (#"{\#(usage),"id":"x","choices":[{}]}"#, #"{"id":"x","choices":[{}]}"#),
    (#"{"id":"x",\#(usage),"choices":[{}]}"#, #"{"id":"x","choices":[{}]}"#),
    (#"{"id":"x" , \#(usage) , "choices":[{}]}"#, #"{"id":"x" , "choices":[{}]}"#),
    (#"{ \#(usage) , "choices":[{}]}"#, #"{  "choices":[{}]}"#),
    (#"{"choices":[{}], \#(usage) }"#, #"{"choices":[{}] }"#),
    (#"{\#(usage)}"#, "{}"), (#"{ \#(usage) }"#, "{  }"),
    (#"{"choices":[{}],"usage":null}"#, #"{"choices":[{}]}"#),
    (#"{"usage":null,"choices":[{}]}"#, #"{"choices":[{}]}"#),
    (
      #"{"choices":[{"delta":{"content":"a, \"usage\": b"}}],\#(usage)}"#,
      #"{"choices":[{"delta":{"content":"a, \"usage\": b"}}]}"#
    ),
  ])
  func runningUsageIsCutOutToTheByte(_ data: String, _ wanted: String) throws {
    for (head, tail) in [
      ("data: ", "\n\n"), ("data:", "\n\n"), ("data: ", "\r\n\r\n"), ("event: x\ndata: ", "\n\n"),
    ] {
      #expect(shown(head + data + tail) == head + wanted + tail)
      #expect(shown(head + data + tail, showsUsage: true) == head + data + tail)
    }
    let (full, cut) = (try JSONReader.read(data), try JSONReader.read(wanted))
    #expect(full.object?.members.filter { $0.name != "usage" } == cut.object?.members)
  }

  @Test func theEventThatIsOnlyAboutUsageIsLeftOut() {
    for choices in ["[]", "[ ]", "[\t ]"] {
      let event = #"data: {"id":"x","choices":\#(choices),\#(Self.usage)}"# + "\n\n"
      #expect(shown(event) == nil)
      #expect(shown(event, showsUsage: true) == event)
    }
    // Empty choices without a report are something else.
    #expect(
      shown("data: {\"choices\":[],\"usage\":null,\"x\":1}\n\n")
        == "data: {\"choices\":[],\"x\":1}\n\n")
    #expect(shown("data: {\"choices\":[]}\n\n") == "data: {\"choices\":[]}\n\n")
    #expect(shown("data: {\"choices\":[[]],\(Self.usage)}\n\n") == "data: {\"choices\":[[]]}\n\n")
  }

  @Test(arguments: [
    #"data: {"choices":[{"delta":{"content":"\"usage\":{\"prompt_tokens\":9}"}}]}"#,
    #"data: {"choices":[{"usage":{"prompt_tokens":9}}]}"#,
    #"data: {"x":{"usage":{"prompt_tokens":9}}}"#,
    #"data: {"choices":[{"delta":{"content":"usage"}}]}"#,
    #": "usage" {"usage":{"prompt_tokens":9}}"#,
    #"event: {"usage":{"prompt_tokens":9}}"#, #"data: "usage""#,
    #"data: ["usage",{"prompt_tokens":9}]"#,
    #"data: {"usage":{"prompt_tokens":9}"#, #"data {"usage":{"prompt_tokens":9}}"#,
    #"xdata: {"usage":{"prompt_tokens":9}}"#, "data:", "data: ", "", ": keep-alive",
  ])
  func everythingElsePassesAsItIs(_ line: String) {
    var meter = EventMeter(.openAI, showsUsage: false)
    #expect(shown(line + "\n\n", &meter) == line + "\n\n")
    if !line.contains(#"data: {"usage":{"prompt_tokens":9}"#) { #expect(meter.report == nil) }
    #expect(!meter.isComplete && !meter.hasError)
  }

  // MARK: Reading

  @Test func theLatestUsageIsKept() {
    var meter = EventMeter(.openAI, showsUsage: false)
    for output in 1...3 {
      _ = shown(
        #"data: {"choices":[{}],"usage":{"prompt_tokens":7,"completion_tokens":\#(output)}}"#
          + "\n\n", &meter)
    }
    _ = shown("data: {\"choices\":[{}],\"usage\":null}\n\n", &meter)
    #expect(meter.report?.output == 3)
    _ = shown(
      #"data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6}}}"#
        + "\n\n", &meter)
    #expect(meter.report?.prompt == 7 && meter.report?.output == 4 && meter.report?.cached == 6)
    #expect(!meter.isComplete)
    _ = shown("data: [DONE]\n\n", &meter)
    #expect(meter.isComplete)
    #expect(meter.events == 6)
  }

  @Test(arguments: [
    "data: [DONE]\n\n", "data:[DONE]\n\n", "data: [DONE]\r\n\r\n", "data:  [DONE] \n\n",
    "event: x\ndata: [DONE]\n\n",
  ])
  func theEndIsTheDoneMark(_ event: String) {
    var meter = EventMeter(.openAI, showsUsage: false)
    #expect(shown(event, &meter) == event)
    #expect(meter.isComplete)
  }

  @Test(arguments: [
    #"data: {"choices":[{"delta":{"content":"[DONE]"}}]}"#, "data: [DONE]x", "data: [done]",
    ": [DONE]", "event: [DONE]",
    #"data: "[DONE]""#, "data: [DONE", "DONE", "data: [DONE]\ndata: x", "data: x\ndata: [DONE]",
  ])
  func onlyTheWholeMarkEndsAStream(_ text: String) {
    var meter = EventMeter(.openAI, showsUsage: false)
    _ = shown(text + "\n\n", &meter)
    #expect(!meter.isComplete)
  }

  @Test func anErrorInAStreamIsSeen() {
    var meter = EventMeter(.openAI, showsUsage: false)
    for harmless in [
      "data: {\"error\":null}\n\n", "data: {\"choices\":[{\"error\":{}}]}\n\n",
      "data: {\"x\":\"\\\"error\\\":{}\"}\n\n",
      "event: error\n\n",
    ] {
      _ = shown(harmless, &meter)
    }
    #expect(!meter.hasError)
    let event = "data: {\"error\":{\"message\":\"m\",\"code\":500}}\n\n"
    #expect(shown(event, &meter) == event)
    #expect(meter.hasError && !meter.isComplete)
  }

  // MARK: Anthropic

  @Test func aMessageStreamIsReadFromStartToStop() {
    var meter = EventMeter(.anthropic, showsUsage: false)
    let events = [
      #"event: message_start\#ndata: {"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":25,"cache_read_input_tokens":5,"output_tokens":1}}}\#n\#n"#,
      #"event: ping\#ndata: {"type": "ping"}\#n\#n"#,
      #"event: content_block_delta\#ndata: {"type":"content_block_delta","delta":{"text":"\"type\":\"message_stop\",\"usage\":{\"output_tokens\":999}"}}\#n\#n"#,
      #"event: content_block_delta\#ndata: {"type":"content_block_delta","delta":{"type":"message_stop","usage":{"output_tokens":999}}}\#n\#n"#,
    ]
    for event in events { #expect(shown(event, &meter) == event) }
    #expect(meter.report?.prompt == 30 && meter.report?.output == 1)
    #expect(meter.unreportedOutputEvents == 2)
    #expect(!meter.isComplete)
    let delta =
      #"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}\#n\#n"#
    #expect(shown(delta, &meter) == delta)
    #expect(meter.report?.prompt == 30 && meter.report?.output == 15)
    #expect(meter.unreportedOutputEvents == 0)
    let stop = #"event: message_stop\#ndata: {"type":"message_stop"}\#n\#n"#
    #expect(shown(stop, &meter) == stop)
    #expect(meter.isComplete && !meter.hasError)
  }

  /// The message of the first event holds whatever the model server puts beside its usage.
  @Test func theFirstEventMayBeOfAnyLength() {
    for length in [4000, 4096, 5000, 100_000] {
      var meter = EventMeter(.anthropic, showsUsage: false)
      let id = String(repeating: "i", count: length)
      let event =
        #"data: {"type":"message_start","message":{"id":"\#(id)","usage":{"input_tokens":25}}}"#
      _ = shown(event + "\n\n", &meter)
      #expect(meter.report?.prompt == 25)
    }
  }

  @Test func theEventsNameAloneIsNoStop() {
    var meter = EventMeter(.anthropic, showsUsage: false)
    _ = shown("event: message_stop\n\n", &meter)
    _ = shown("event: message_stop\ndata: {\"x\":1}\n\n", &meter)
    _ = shown("data: [DONE]\n\n", &meter)
    #expect(!meter.isComplete)
    _ = shown(
      "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
      &meter)
    #expect(meter.hasError)
  }

  // MARK: A whole stream

  /// However the bytes arrive, the client gets the same, and the end is kept apart.
  @Test func everySplitOfAStreamGivesTheSame() {
    let stream = """
      : comment

      data: {"choices":[{"delta":{"content":"é"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}

      data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}

      data: [DONE]

      : late


      """
    let passing = ": comment\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"é\"}}]}\n\n"
    for text in [
      stream,
      stream.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n"),
    ] {
      let line = text == stream ? "\n" : "\r\n"
      func ended(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: line)
      }
      for way in splits(Array(text.utf8)) {
        let answer = EventAnswer(.openAI, showsUsage: false)
        for piece in way { #expect(take(Array(piece), answer)) }
        #expect(answer.passing.text == ended(passing))
        #expect(answer.terminator.text == ended("data: [DONE]\n\n"))
        #expect(answer.meter.report?.output == 2)
      }
    }
  }

  @Test func whatHasNoEndDoesNotPass() {
    let answer = EventAnswer(.openAI, showsUsage: true)
    #expect(take(Array("data: {}\n\ndata: [DONE]\n".utf8), answer))
    #expect(answer.passing.text == "data: {}\n\n")
    #expect(!answer.meter.isComplete)
  }

  @Test func anEventIsBounded() {
    let answer = EventAnswer(.openAI, showsUsage: true)
    let piece = [UInt8](repeating: 0x61, count: 1 << 20)
    for _ in 0..<CoreBounds.eventBytesMax >> 20 { #expect(take(piece, answer)) }
    #expect(!take([0x61], answer))
  }

  private func take(_ bytes: [UInt8], _ answer: EventAnswer) -> Bool { answer.take(bytes.span) }
}
