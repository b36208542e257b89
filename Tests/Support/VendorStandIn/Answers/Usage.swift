/// What an answer says that it used.
struct Usage: Sendable {
  var prompt = 0
  var completion = 0
  var cached = 0
  var seconds = 0

  mutating func add(_ other: Usage) {
    prompt += other.prompt
    completion += other.completion
    cached += other.cached
    seconds += other.seconds
  }

  /// For the recorder.
  var recorded: JSON {
    [
      "prompt_tokens": .int(prompt), "completion_tokens": .int(completion),
      "cached_tokens": .int(cached), "seconds": .int(seconds),
    ]
  }

  /// The OpenAI object. Zero cached tokens leave the details out, as the model server does.
  func openAI(_ mode: UsageMode, hasDetails: Bool = true) -> JSON {
    let total = prompt + completion + (mode == .wrongTotal ? 1 : 0)
    let counts: JSON = [
      "prompt_tokens": .int(prompt), "total_tokens": .int(total),
      "completion_tokens": .int(completion),
    ]
    guard hasDetails, cached > 0, mode != .detailsAbsent else { return counts }
    return counts + ["prompt_tokens_details": ["cached_tokens": .int(cached)]]
  }

  /// The Anthropic object: input without what was read from the cache.
  func anthropic(_ mode: UsageMode) -> JSON {
    let counts: JSON = [
      "input_tokens": .int(prompt - cached), "output_tokens": .int(completion),
    ]
    guard cached > 0, mode != .detailsAbsent else { return counts }
    return counts + ["cache_read_input_tokens": .int(cached)]
  }
}

/// How usage appears in a stream: the great unknown of the contract (3.5).
enum UsageMode: String, Sendable {
  case continuous
  case finalOnly = "final_only"
  case none
  case detailsAbsent = "details_absent"
  case wrongTotal = "wrong_total"
  /// As `stream_options` asks.
  case asAsked = "as_asked"

  init(_ member: JSON.Member) throws(FieldFault) {
    guard let mode = UsageMode(rawValue: try member.text().text) else { throw member.fault }
    self = mode
  }

  /// Settled for one request: never `asAsked`.
  func settled(for request: JSON, isStream: Bool) -> UsageMode {
    guard self == .asAsked, isStream else { return self == .asAsked ? .continuous : self }
    let options = request["stream_options"] ?? .null
    if options["continuous_usage_stats"]?.isTrue == true { return .continuous }
    return options["include_usage"]?.isTrue == true ? .finalOnly : .none
  }

  /// Whether each chunk carries running totals.
  var isRunning: Bool { self != .finalOnly && self != .none }
}

/// `tok` of the contract: a token for every four bytes begun.
func tokens(_ bytes: Int) -> Int { (bytes + 3) / 4 }
