import PMSystem
import PMWire

/// Text of the Prometheus exposition format, version 0.0.4. Label values are constants of ours or
/// names of the model table, which need no escaping.
struct MetricPage {
  enum Kind: String { case counter, gauge, histogram }

  private(set) var text = ""

  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  /// `labels` is empty, or `a="x",b="y"`. A value with decimal places is told in the larger unit.
  mutating func sample(_ name: String, _ labels: String = "", _ value: UInt64, places: Int = 0) {
    text += name
    if !labels.isEmpty { text += "{\(labels)}" }
    text += " \(Self.decimal(value, places: places))\n"
  }

  /// Nothing for one that has counted nothing.
  mutating func histogram(_ name: String, _ labels: String, _ histogram: Histogram) {
    let counts = histogram.cumulated
    guard let all = counts.last, all > 0 else { return }
    let prefix = labels.isEmpty ? "" : "\(labels),"
    let (limits, places) = (histogram.scale.limits, histogram.scale.places)
    for (limit, count) in zip(limits, counts) {
      let end = Self.decimal(UInt64(limit), places: places)
      sample("\(name)_bucket", "\(prefix)le=\"\(end)\"", count)
    }
    sample("\(name)_bucket", "\(prefix)le=\"+Inf\"", all)
    sample("\(name)_sum", labels, histogram.sum, places: places)
    sample("\(name)_count", labels, all)
  }

  /// 12 500 with 6 places is `0.0125`.
  static func decimal(_ value: UInt64, places: Int) -> String {
    if places == 0 { return String(value) }
    var digits = String(value)
    if digits.utf8.count <= places {
      digits = String(repeating: "0", count: places + 1 - digits.utf8.count) + digits
    }
    var part = digits.suffix(places)
    while part.last == "0" { part.removeLast() }
    let whole = digits.dropLast(places)
    return part.isEmpty ? String(whole) : "\(whole).\(part)"
  }
}

extension MetricBook {
  /// Lines that the book can have at most, whatever clients send: two names beside the models, four
  /// histograms of tokens and times for each operation, and what is counted by route and code.
  static var seriesMax: Int {
    let tokens = 3 * HistogramScale.tokens.seriesMax
    let times: [HistogramScale] = [.requestTime, .firstTokenTime, .outputTokenTime]
    let each = tokens + times.map(\.seriesMax).reduce(0, +)
    let shown = modelsMax + 2
    let routes = Route.allCases.count + 1
    let statusClasses = 5
    return shown * (GenerativeOperation.allCases.count * each + 2)
      + answerSeriesMax + routes * statusClasses + routes
  }

  func write(to page: inout MetricPage) {
    writeAnswers(to: &page)
    writeModels(to: &page)
    for family in Self.families { write(family, to: &page) }
  }

  private func writeAnswers(to page: inout MetricPage) {
    page.family(
      "privatemode_requests_total", .counter,
      "Answers by route, class of status and code of error; 499 for clients that left before.")
    let lines = answers.map { series, count in
      let route = series.route.map { "\($0.word)" } ?? "none"
      let code = "error_code=\"\(series.code)\""
      return ("route=\"\(route)\",status_class=\"\(series.statusClass)xx\",\(code)", count)
    }
    for (labels, count) in lines.sorted(by: { $0.0 < $1.0 }) {
      page.sample("privatemode_requests_total", labels, count)
    }
    page.family(
      "privatemode_answers_broken_total", .counter, "Answers that broke off after their head.")
    for route in Route.allCases where broken[Int(route.rawValue)] > 0 {
      page.sample(
        "privatemode_answers_broken_total", "route=\"\(route.word)\"",
        broken[Int(route.rawValue)])
    }
  }

  private func writeModels(to page: inout MetricPage) {
    page.family(
      "privatemode_cost_nano_euro_total", .counter, "What was charged, in nano-euro net of VAT.")
    for model in shown where model.costNanoEuro > 0 {
      page.sample("privatemode_cost_nano_euro_total", Self.label(model), model.costNanoEuro)
    }
    page.family("privatemode_audio_seconds_total", .counter, "Audio that was transcribed.")
    for model in shown where model.audioMilliseconds > 0 {
      page.sample(
        "privatemode_audio_seconds_total", Self.label(model), model.audioMilliseconds, places: 3)
    }
  }

  private static func label(_ model: ModelCounts) -> String {
    "gen_ai_request_model=\"\(model.name)\""
  }

  /// A histogram of the conventions, and which of ours belong to it.
  private struct Family {
    let name: String
    let help: String
    /// With a type of token where the family tells them apart.
    let parts: [(token: String?, histogram: (OperationCounts) -> Histogram)]
  }

  private static var families: [Family] {
    [
      Family(
        name: "gen_ai_client_token_usage",
        help: "Tokens of a request; input includes those that came from the vendor's cache.",
        parts: [("input", \.input), ("cached", \.cached), ("output", \.output)]),
      Family(
        name: "gen_ai_server_request_duration_seconds",
        help: "From the arrival of a request to the end of its answer.", parts: [(nil, \.time)]),
      Family(
        name: "gen_ai_server_time_to_first_token_seconds",
        help: "From the arrival of a request to the first byte of its stream.",
        parts: [(nil, \.firstToken)]),
      Family(
        name: "gen_ai_server_time_per_output_token_seconds",
        help: "Of a stream, for each token after the first.", parts: [(nil, \.outputToken)]),
    ]
  }

  private func write(_ family: Family, to page: inout MetricPage) {
    page.family(family.name, .histogram, family.help)
    for model in shown {
      for operation in GenerativeOperation.allCases {
        guard let counts = model.operations[operation.rawValue] else { continue }
        for part in family.parts {
          let token = part.token.map { ",gen_ai_token_type=\"\($0)\"" } ?? ""
          page.histogram(
            family.name,
            "gen_ai_operation_name=\"\(operation.word)\",\(Self.label(model))\(token)",
            part.histogram(counts))
        }
      }
    }
  }
}
