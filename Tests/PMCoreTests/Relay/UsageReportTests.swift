import PMSystem
import Testing

@testable import PMCore

private func report(_ text: String) -> UsageReport? { UsageReport(Array(text.utf8).span) }

private func usage(_ text: String) -> Usage? {
  report(text)?.usage(bodyBytes: 10, isAudio: false)
}

// tidy:allow long-line: a document of one line is easier to compare
@Suite struct UsageReportTests {
  @Test func theOpenAIFamilyIncludesCachedTokensInThePrompt() {
    let found = usage(
      #"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":64,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":7}}"#
    )
    #expect(found?.fresh == 36)
    #expect(found?.cached == 64)
    #expect(found?.output == 20)
    #expect(found?.source == .upstream)
  }

  @Test func detailsMayBeAbsentOrNull() {
    for details in [
      "", #","prompt_tokens_details":null"#, #","prompt_tokens_details":{}"#,
      #","prompt_tokens_details":{"cached_tokens":null}"#, #","prompt_tokens_details":[1]"#,
    ] {
      let found = usage(#"{"prompt_tokens":5,"completion_tokens":6\#(details)}"#)
      #expect(found?.fresh == 5 && found?.cached == 0 && found?.output == 6, "\(details)")
    }
  }

  @Test func aTotalAloneIsPrompt() {
    let found = usage(#"{"total_tokens":9}"#)
    #expect(found?.fresh == 9 && found?.output == 0)
    let embeddings = usage(#"{"prompt_tokens":8,"total_tokens":8}"#)
    #expect(embeddings?.fresh == 8 && embeddings?.output == 0)
    let noPrompt = usage(#"{"completion_tokens":4,"total_tokens":9}"#)
    #expect(noPrompt?.fresh == 5 && noPrompt?.output == 4)
    // A total below its part is the vendor's mistake, and no credit.
    #expect(usage(#"{"completion_tokens":9,"total_tokens":4}"#)?.fresh == 0)
  }

  @Test func theAnthropicFamilyAddsItsCacheToTheInput() {
    let found = usage(
      #"{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":3,"output_tokens":2}"#
    )
    #expect(found?.fresh == 18)
    #expect(found?.cached == 0)
    #expect(found?.output == 2)
    #expect(
      usage(#"{"input_tokens":10,"cache_read_input_tokens":null,"output_tokens":2}"#)?.fresh == 10)
  }

  @Test func audioIsCountedInSeconds() {
    let found = report(#"{"type":"duration","seconds":13}"#)?.usage(bodyBytes: 700, isAudio: true)
    #expect(found?.audioMilliseconds == 13_000)
    #expect(found?.bytes == 700)
    #expect(found?.fresh == 0)
  }

  @Test(arguments: [
    "null", "{}", "[]", "5", "\"x\"", "", "{", #"{"x":1}"#, #"{"prompt_tokens":null}"#,
    #"{"prompt_tokens":"5"}"#, #"{"prompt_tokens":-5}"#, #"{"prompt_tokens":5.0}"#,
    #"{"prompt_tokens":1e3}"#,
    #"{"prompt_tokens":9999999999999999999}"#, #"{"a":{"prompt_tokens":5}}"#,
    #"{"Prompt_Tokens":5}"#,
    #"{"seconds":"13"}"#,
  ])
  func whatIsNoReportIsNone(_ text: String) { #expect(report(text) == nil) }

  @Test func absurdNumbersDoNotTrap() {
    for digits in [15, 16, 18, 19, 40] {
      let most = String(repeating: "9", count: digits)
      let names = [
        "prompt_tokens", "completion_tokens", "total_tokens", "seconds", "input_tokens",
        "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens",
      ]
      let found = report("{" + names.map { "\"\($0)\":\(most)" }.joined(separator: ",") + "}")
      let counted = found?.usage(bodyBytes: .max, isAudio: true)
      #expect(counted.map { $0.fresh > 0 && $0.audioMilliseconds > 0 } ?? (digits > 15))
    }
    let most = String(repeating: "9", count: UsageReport.digitsMax)
    let details = #""prompt_tokens_details":{"cached_tokens":\#(most)}"#
    #expect(usage(#"{"prompt_tokens":1,\#(details)}"#)?.fresh == 1)
  }

  /// Each of them fits, and the same name may come again and again.
  @Test func manyLargeCountsDoNotTrap() {
    for digits in [UsageReport.digitsMax, 18] {
      let count = "\"cache_read_input_tokens\":\(String(repeating: "9", count: digits))"
      let text =
        "{\"output_tokens\":1,\(Array(repeating: count, count: 80).joined(separator: ","))}"
      #expect(report(text)?.output == 1)
    }
  }

  @Test func aLaterReportKeepsWhatItDoesNotRepeat() {
    var first = report(#"{"input_tokens":25,"output_tokens":1}"#)
    if let later = report(#"{"output_tokens":15}"#) { first?.update(later) }
    let found = first?.usage(bodyBytes: 0, isAudio: false)
    #expect(found?.fresh == 25 && found?.output == 15)
  }

  /// Cache counts alone are no new input, and those that come again are not added.
  @Test func aLaterReportOfTheCacheKeepsTheInput() {
    var first = report(#"{"input_tokens":25,"cache_read_input_tokens":5,"output_tokens":1}"#)
    #expect(first?.prompt == 30)
    for text in [
      #"{"cache_read_input_tokens":5,"output_tokens":15}"#,
      #"{"cache_creation_input_tokens":0,"output_tokens":15}"#,
    ] {
      if let later = report(text) { first?.update(later) }
      #expect(first?.prompt == 30 && first?.output == 15)
    }
  }
}
