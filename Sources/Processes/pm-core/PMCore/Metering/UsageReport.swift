import PMJSON
import PMSystem

/// What the vendor said about usage, from the `usage` member of an answer or an event.
struct UsageReport: Equatable {
  var prompt: Int64?
  var output: Int64?
  var total: Int64?
  var cached: Int64 = 0
  var audioMilliseconds: Int64?

  /// A `usage` object longer than this is not read.
  static let bytesMax = 4096
  /// Longer counts are none. So short, as many of them as an object holds can be added, and any of
  /// them taken for seconds, without leaving 64 bits.
  static let digitsMax = 15

  /// Reads a `usage` object of either family, or of an audio answer; nil if
  /// there is nothing in it, as with `null`.
  init?(_ bytes: borrowing Span<UInt8>) {
    var scanner = JSONMemberScanner(isStrict: false)
    var position = 0
    var seconds: Int64?
    var creation: Int64 = 0
    var isAnthropic = false
    reading: while true {
      guard let event = try? scanner.next(bytes, &position) else { return nil }
      switch event {
      case .needsMore, .end: break reading
      case .name: scanner.captureValue(bytesMax: 256)
      case .member:
        let value = scanner.capturedInteger
        if scanner.nameIs("prompt_tokens") { prompt = value }
        if scanner.nameIs("completion_tokens") { output = value }
        if scanner.nameIs("total_tokens") { total = value }
        if scanner.nameIs("seconds") { seconds = value }
        if scanner.nameIs("prompt_tokens_details") { cached = Self.cachedTokens(scanner.captured) }
        if scanner.nameIs("input_tokens") {
          prompt = value
          isAnthropic = true
        }
        if scanner.nameIs("output_tokens") { output = value }
        if scanner.nameIs("cache_read_input_tokens")
          || scanner.nameIs("cache_creation_input_tokens")
        {
          creation += value ?? 0
          isAnthropic = true
        }
      }
    }
    // Cached classes of this family are not told apart by price until an invoice shows how.
    if isAnthropic, creation > 0 { prompt = (prompt ?? 0) + creation }
    audioMilliseconds = seconds.map { $0 * 1000 }
    if prompt == nil && output == nil && total == nil && seconds == nil { return nil }
    if prompt == nil, let total { prompt = total - (output ?? 0) }
  }

  private static func cachedTokens(_ details: [UInt8]) -> Int64 {
    var scanner = JSONMemberScanner(isStrict: false)
    var position = 0
    let bytes = details.span
    while let event = try? scanner.next(bytes, &position), event != .needsMore, event != .end {
      if event == .name { scanner.captureValue(bytesMax: 24) }
      if event == .member, scanner.nameIs("cached_tokens") { return scanner.capturedInteger ?? 0 }
    }
    return 0
  }

  /// Keeps what a later report does not repeat: the Anthropic family tells input and output apart.
  mutating func update(_ later: UsageReport) {
    prompt = later.prompt ?? prompt
    output = later.output ?? output
    cached = max(cached, later.cached)
    audioMilliseconds = later.audioMilliseconds ?? audioMilliseconds
  }

  /// As accounts count it.
  func usage(flags: Usage.Flags = [], bodyBytes: Int, isAudio: Bool) -> Usage {
    var usage = Usage(
      prompt: max(0, prompt ?? 0), cached: max(0, cached), output: max(0, output ?? 0),
      source: .upstream, flags: flags)
    if isAudio {
      usage.audioMilliseconds = max(0, audioMilliseconds ?? 0)
      usage.bytes = Int64(bodyBytes)
    }
    return usage
  }
}

extension JSONMemberScanner {
  /// The captured value, if it is a plain non-negative integer.
  var capturedInteger: Int64? {
    guard isCaptureWhole, (1...UsageReport.digitsMax).contains(captured.count) else { return nil }
    var value: Int64 = 0
    for byte in captured {
      guard (0x30...0x39).contains(byte) else { return nil }
      value = value * 10 + Int64(byte - 0x30)
    }
    return value
  }
}
