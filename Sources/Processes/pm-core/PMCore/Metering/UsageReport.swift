import PMJSON
import PMSystem

/// What the vendor said about usage, from the `usage` member of an answer or an event.
struct UsageReport: Equatable {
  /// `prompt_tokens`, which include what was cached, or `input_tokens`, which do not.
  private var input: Int64?
  /// What the Anthropic family counts beside its input. Its classes are not told apart by price
  /// until an invoice shows how.
  private var cacheRead: Int64?
  private var cacheWritten: Int64?
  private(set) var output: Int64?
  private(set) var total: Int64?
  private(set) var cached: Int64 = 0
  private(set) var audioMilliseconds: Int64?

  /// A `usage` object longer than this is not read.
  static let bytesMax = 4096
  /// Longer counts are none. So short, all counts of a report can be added, and any of them taken
  /// for seconds, without leaving 64 bits.
  static let digitsMax = 15

  /// Reads a `usage` object of either family, or of an audio answer; nil if there is nothing in it,
  /// as with `null`.
  init?(_ bytes: borrowing Span<UInt8>) {
    var scanner = JSONMemberScanner(isStrict: false)
    var position = 0
    reading: while true {
      guard let event = try? scanner.next(bytes, &position) else { return nil }
      switch event {
      case .needsMore, .end: break reading
      case .name: continue
      case .member: note(bytes.extracting(scanner.member.value), of: scanner)
      }
    }
    if prompt == nil && output == nil && audioMilliseconds == nil { return nil }
  }

  private mutating func note(
    _ value: borrowing Span<UInt8>, of scanner: borrowing JSONMemberScanner
  ) {
    if scanner.nameIs("prompt_tokens") || scanner.nameIs("input_tokens") {
      input = Self.count(value)
    } else if scanner.nameIs("completion_tokens") || scanner.nameIs("output_tokens") {
      output = Self.count(value)
    } else if scanner.nameIs("total_tokens") {
      total = Self.count(value)
    } else if scanner.nameIs("prompt_tokens_details") {
      cached = Self.cachedTokens(value)
    } else if scanner.nameIs("cache_read_input_tokens") {
      cacheRead = Self.count(value)
    } else if scanner.nameIs("cache_creation_input_tokens") {
      cacheWritten = Self.count(value)
    } else if scanner.nameIs("seconds") {
      audioMilliseconds = Self.count(value).map { $0 * 1000 }
    }
  }

  /// All tokens of the prompt; nil if nothing was said of them.
  var prompt: Int64? {
    if input == nil && cacheRead == nil && cacheWritten == nil {
      return total.map { $0 - (output ?? 0) }
    }
    return (input ?? 0) + (cacheRead ?? 0) + (cacheWritten ?? 0)
  }

  private static func cachedTokens(_ details: borrowing Span<UInt8>) -> Int64 {
    var scanner = JSONMemberScanner(isStrict: false)
    var position = 0
    while let event = try? scanner.next(details, &position), event == .name || event == .member {
      if event == .member, scanner.nameIs("cached_tokens") {
        return count(details.extracting(scanner.member.value)) ?? 0
      }
    }
    return 0
  }

  /// A plain integer that is not negative.
  private static func count(_ text: borrowing Span<UInt8>) -> Int64? {
    guard (1...digitsMax).contains(text.count) else { return nil }
    var value: Int64 = 0
    for offset in 0..<text.count {
      let digit = text[offset] &- 0x30
      guard digit < 10 else { return nil }
      value = value * 10 + Int64(digit)
    }
    return value
  }

  /// Keeps what a later report does not repeat, count by count: the Anthropic family tells input
  /// and output apart, and may tell its cache again without its input.
  mutating func update(_ later: UsageReport) {
    input = later.input ?? input
    cacheRead = later.cacheRead ?? cacheRead
    cacheWritten = later.cacheWritten ?? cacheWritten
    output = later.output ?? output
    total = later.total ?? total
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
