import PMSystem
import Testing

@testable import PMCore

// tidy:allow long-line: a document of one line is easier to compare
@Suite struct AnswerMeterTests {
  private func meter(_ pieces: [ArraySlice<UInt8>]) -> AnswerMeter {
    var meter = AnswerMeter()
    for piece in pieces { meter.take(Array(piece).span) }
    return meter
  }
  private func meter(_ text: String) -> AnswerMeter { meter([Array(text.utf8)[...]]) }

  @Test func usageIsFoundOverEverySplit() {
    let text =
      #"{"id":"x","choices":[{"message":{"content":"é \"usage\":{\"prompt_tokens\":9}"}}],"usage": {"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":1}} ,"z":[1]}"#
    for way in splits(Array(text.utf8)) {
      let meter = meter(way)
      #expect(meter.report?.prompt == 3 && meter.report?.output == 4 && meter.report?.cached == 1)
      #expect(meter.isWhole)
      #expect(meter.bytes == text.utf8.count)
    }
  }

  @Test(arguments: [
    #"{"choices":[{"usage":{"prompt_tokens":5}}]}"#,
    #"{"content":"\"usage\":{\"prompt_tokens\":5}"}"#,
    #"{"x":"}","y":{"usage":{"prompt_tokens":5}}}"#, #"{"usage":null}"#,
    #"{"Usage":{"prompt_tokens":5}}"#,
    #"{"usage ":{"prompt_tokens":5}}"#, #"{"a":["usage",{"prompt_tokens":5}]}"#,
    #"{"\\":{"usage":{"prompt_tokens":5}}}"#,
    #"{"a\"":1,"b":"{\"usage\":{\"prompt_tokens\":5}}"}"#,
  ])
  func whatOnlyLooksLikeUsageDoesNotCount(_ text: String) {
    for way in splits(Array(text.utf8)) {
      let meter = meter(way)
      #expect(meter.report == nil)
      #expect(meter.isWhole)
    }
  }

  @Test func theLastUsageCounts() {
    let found = meter(#"{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2},"usage":null}"#)
    #expect(found.report?.prompt == 2)
  }

  @Test func aUsageThatIsTooLongIsNotRead() {
    func text(_ count: Int) -> String {
      let frame = #"{"prompt_tokens":1,"x":""}"#
      return
        #"{"usage":{"prompt_tokens":1,"x":"\#(String(repeating: "y", count: count - frame.utf8.count))"}}"#
    }
    #expect(meter(text(UsageReport.bytesMax)).report?.prompt == 1)
    #expect(meter(text(UsageReport.bytesMax + 1)).report == nil)
    #expect(meter(text(UsageReport.bytesMax + 1)).isWhole)
  }

  @Test(arguments: [
    "", "{", #"{"usage":{"prompt_tokens":5}"#, "[]", "null", "<html>", #"{"a":tru}"#, "{]",
  ])
  func anAnswerThatBreaksOffIsNotWhole(_ text: String) {
    #expect(!meter(text).isWhole)
  }
}
