import PMHTTP
import PMJSON
import PMSystem
import PMWire

/// Looks at each server-sent event of an answer: its usage, whether it ends the stream, whether it
/// is an error, and what of it the client shall not see.
struct EventMeter {
  /// What happens to one event.
  enum Verdict: Equatable {
    case pass
    /// The client did not ask for it.
    case drop
    /// Passes without these bytes of it.
    case cut(Range<Int>)
  }

  private let dialect: Dialect
  private let showsUsage: Bool
  private(set) var report: UsageReport?
  /// The mark that a whole stream ends with has passed.
  private(set) var isComplete = false
  private(set) var hasError = false
  /// Events with data, for estimates.
  private(set) var events: Int64 = 0
  /// Events of the Anthropic family with output that no report has counted: its first report knows
  /// the prompt only, and the next one comes at the end.
  private(set) var unreportedOutputEvents: Int64 = 0

  init(_ dialect: Dialect, showsUsage: Bool) {
    self.dialect = dialect
    self.showsUsage = showsUsage || dialect == .anthropic
  }

  /// Judges one whole event, blank line included.
  mutating func judge(_ event: borrowing Span<UInt8>) -> Verdict {
    guard let data = Self.dataRange(event) else { return .pass }
    events += 1
    if dialect == .openAI, event.equals(data, "[DONE]") {
      isComplete = true
      return .pass
    }
    let bytes = event.extracting(data)
    switch dialect {
    case .openAI:
      // A member can only be there if its name is; most events have neither.
      guard bytes.firstOffset(of: #""usage""#) != nil || bytes.firstOffset(of: #""error""#) != nil
      else { return .pass }
      return judgeOpenAI(bytes, at: data.lowerBound)
    case .anthropic:
      judgeAnthropic(bytes)
      return .pass
    }
  }

  private mutating func judgeOpenAI(_ data: borrowing Span<UInt8>, at start: Int) -> Verdict {
    var scanner = JSONMemberScanner(isStrict: false)
    var position = 0
    var (usage, previousEnd) = (0..<0, 0)
    var (isFirst, hasNoChoices, isUsage, hasReport) = (true, false, false, false)
    var next: JSONMemberScanner.Event?
    repeat {
      next = try? scanner.next(data, &position)
      if next == .name {
        isUsage = scanner.nameIs("usage")
      } else if next == .member {
        let member = scanner.member
        if isUsage {
          hasReport = noteUsage(data.extracting(member.value)) || hasReport
          // With the comma before it, or the one after it if it comes first.
          usage = (isFirst ? member.nameStart : previousEnd)..<member.valueEnd
          if isFirst { usage = usage.lowerBound..<Self.behindComma(data, member.valueEnd) }
        }
        if scanner.nameIs("error") { hasError = hasError || data[member.valueStart] == 0x7B }
        if scanner.nameIs("choices") { hasNoChoices = Self.isEmptyArray(data, member) }
        previousEnd = member.valueEnd
        isFirst = false
      }
    } while next == .name || next == .member
    guard next == .end, !showsUsage, !usage.isEmpty else { return .pass }
    // The event that is about usage alone; others without choices say something else as well.
    if hasNoChoices && hasReport { return .drop }
    return .cut(start + usage.lowerBound..<start + usage.upperBound)
  }

  private mutating func judgeAnthropic(_ data: borrowing Span<UInt8>) {
    var scanner = JSONMemberScanner(isStrict: false)
    var position = 0
    while let event = try? scanner.next(data, &position), event == .name || event == .member {
      guard event == .member else { continue }
      let value = scanner.member.value
      if scanner.nameIs("type") {
        if data.equals(value, #""message_stop""#) { isComplete = true }
        if data.equals(value, #""error""#) { hasError = true }
        if data.equals(value, #""content_block_delta""#) { unreportedOutputEvents += 1 }
      } else if scanner.nameIs("usage") {
        _ = noteUsage(data.extracting(value))
      } else if scanner.nameIs("message") {
        var inner = AnswerMeter()
        inner.take(data.extracting(value))
        if let found = inner.report { note(found) }
      }
    }
  }

  /// False if it is no report.
  private mutating func noteUsage(_ value: borrowing Span<UInt8>) -> Bool {
    guard let found = UsageReport(value) else { return false }
    note(found)
    return true
  }

  private mutating func note(_ found: UsageReport) {
    unreportedOutputEvents = 0
    if report == nil { report = found } else { report?.update(found) }
  }

  /// The text of the only `data` line; nil if there is none, or more than one.
  static func dataRange(_ event: borrowing Span<UInt8>) -> Range<Int>? {
    var found: Range<Int>?
    var start = 0
    while start < event.count {
      let end = event.firstOffset(of: 0x0A, from: start) ?? event.count
      if event.count - start > 5, event.equals(start..<start + 5, "data:") {
        if found != nil { return nil }
        let from = start + 5
        var line = event.trimmingBlanks(from..<end)
        if !line.isEmpty, event[line.upperBound - 1] == 0x0D {
          line = line.lowerBound..<line.upperBound - 1
        }
        found = line
      }
      start = end + 1
    }
    return found
  }

  private static func behindComma(_ data: borrowing Span<UInt8>, _ end: Int) -> Int {
    guard let comma = data.firstOffset(of: 0x2C, from: end) else { return end }
    return data.trimmingBlanks(end..<comma).isEmpty ? comma + 1 : end
  }

  private static func isEmptyArray(
    _ data: borrowing Span<UInt8>, _ member: JSONMemberScanner.Member
  ) -> Bool {
    guard data[member.valueStart] == 0x5B else { return false }
    for offset in member.valueStart + 1..<member.valueEnd - 1 {
      switch data[offset] {
      case 0x20, 0x09, 0x0A, 0x0D: continue
      default: return false
      }
    }
    return true
  }
}
