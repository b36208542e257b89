import PMSystem
import PMWire
import Testing

@testable import PMCore

struct MetricTests {
  private func lines(_ book: MetricBook) -> [String] {
    var page = MetricPage()
    book.write(to: &page)
    return page.text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { String($0) }
  }

  @Test("A value lies in the range whose end it does not pass")
  func ranges() {
    var histogram = Histogram(.tokens)
    for value: Int64 in [0, 1, 2, 4, 5, 67_108_864, 67_108_865, .max] { histogram.add(value) }
    let counts = histogram.cumulated
    #expect(counts.count == 15 && counts[0] == 2 && counts[1] == 4 && counts[2] == 5)
    #expect(counts[13] == 6 && counts[14] == 8 && histogram.count == 8)
  }

  @Test(
    "Times are told in seconds, exactly",
    arguments: [
      (0, 6, "0"), (1, 6, "0.000001"), (12_500, 6, "0.0125"), (1_000_000, 6, "1"),
      (81_920_000, 6, "81.92"), (UInt64.max, 6, "18446744073709.551615"), (7, 0, "7"),
    ] as [(UInt64, Int, String)])
  func decimals(_ value: UInt64, _ places: Int, _ text: String) {
    #expect(MetricPage.decimal(value, places: places) == text)
  }

  @Test("Cached tokens are part of the input; audio and unknown usage have no tokens")
  func classes() {
    let models = ModelTable()
    let model = models.enter("m")
    let book = MetricBook(models: models)
    let chat = Usage(prompt: 10, cached: 4, output: 3, source: .upstream)
    book.count(
      model, .chat, chat, costNanoEuro: 5, microseconds: 30_000, firstByteMicroseconds: 10_000)
    var audio = Usage()
    (audio.audioMilliseconds, audio.source) = (1500, .upstream)
    book.count(
      model, .transcriptions, audio, costNanoEuro: nil, microseconds: 1, firstByteMicroseconds: nil)
    let label = "gen_ai_operation_name=\"chat\",gen_ai_request_model=\"m\""
    let all = lines(book)
    for line in [
      "gen_ai_client_token_usage_sum{\(label),gen_ai_token_type=\"input\"} 10",
      "gen_ai_client_token_usage_sum{\(label),gen_ai_token_type=\"cached\"} 4",
      "gen_ai_client_token_usage_sum{\(label),gen_ai_token_type=\"output\"} 3",
      "gen_ai_server_request_duration_seconds_sum{\(label)} 0.03",
      "gen_ai_server_time_to_first_token_seconds_sum{\(label)} 0.01",
      "gen_ai_server_time_per_output_token_seconds_sum{\(label)} 0.01",
      "privatemode_cost_nano_euro_total{gen_ai_request_model=\"m\"} 5",
      "privatemode_audio_seconds_total{gen_ai_request_model=\"m\"} 1.5",
    ] { #expect(all.contains(line), "\(line)") }
    #expect(!all.contains { $0.contains("token_usage") && $0.contains("transcription") })
  }

  @Test("Whatever is counted, the lines have a bound, and what has no line of its own is not lost")
  func bound() {
    let models = ModelTable()
    let book = MetricBook(models: models)
    let usage = Usage(prompt: 10, cached: 4, output: 3, source: .upstream)
    for number in 0..<100 {
      let model = number == 0 ? .unlisted : models.enter("model-\(number)")
      for route in Route.allCases {
        book.count(
          model, route, usage, costNanoEuro: 1, microseconds: 9, firstByteMicroseconds: 2)
      }
    }
    for code in 0..<1000 {
      for route in Route.allCases {
        for status in [200, 300, 400, 500] {
          book.count(Exchange(route: route, status: status, code: "c\(code)", isBroken: true))
        }
      }
    }
    let all = lines(book)
    #expect(all.count <= MetricBook.seriesMax && all.count > MetricBook.seriesMax / 2)
    #expect(Set(all.map { $0.split(separator: " ")[0] }).count == all.count)
    func sum(_ name: String) -> Int {
      all.filter { $0.hasPrefix(name) }.reduce(0) { $0 + (Int($1.split(separator: " ")[1]) ?? 0) }
    }
    #expect(sum("privatemode_requests_total") == 4000 * Route.allCases.count)
    #expect(sum("privatemode_cost_nano_euro_total") == 100 * Route.allCases.count)
  }
}
