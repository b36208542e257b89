import PMHTTP
import PMSystem
import PMWire

extension LimitDecision {
  /// Header lines: the predecessor's, OpenAI's, and for its dialect Anthropic's.
  func write(_ tokens: TokenStanding?, _ dialect: Dialect, to out: inout ByteBuffer) {
    out.append("X-RateLimit-Limit: ")
    out.append(decimal: limit)
    out.append("\r\nX-RateLimit-Remaining: ")
    out.append(decimal: remaining)
    out.append("\r\nX-RateLimit-Reset: ")
    out.append(decimal: Int(resetUnixSeconds))
    out.append("\r\nX-RateLimit-Limit-Requests: ")
    out.append(decimal: limit)
    out.append("\r\nX-RateLimit-Remaining-Requests: ")
    out.append(decimal: remaining)
    out.append("\r\nX-RateLimit-Reset-Requests: ")
    out.append(decimal: retryAfterSeconds)
    out.append("s\r\n")
    if let tokens {
      out.append("X-RateLimit-Limit-Tokens: ")
      out.append(decimal: Int(tokens.limit))
      out.append("\r\nX-RateLimit-Remaining-Tokens: ")
      out.append(decimal: Int(tokens.remaining))
      out.append("\r\nX-RateLimit-Reset-Tokens: ")
      out.append(decimal: tokens.resetSeconds)
      out.append("s\r\n")
    }
    if dialect == .anthropic { writeAnthropic(tokens, to: &out) }
  }

  private func writeAnthropic(_ tokens: TokenStanding?, to out: inout ByteBuffer) {
    out.append("Anthropic-RateLimit-Requests-Limit: ")
    out.append(decimal: limit)
    out.append("\r\nAnthropic-RateLimit-Requests-Remaining: ")
    out.append(decimal: remaining)
    out.append("\r\nAnthropic-RateLimit-Requests-Reset: ")
    out.append(WallTime(seconds: resetUnixSeconds).civil.rfc3339)
    out.append("\r\n")
    guard let tokens else { return }
    out.append("Anthropic-RateLimit-Tokens-Limit: ")
    out.append(decimal: Int(tokens.limit))
    out.append("\r\nAnthropic-RateLimit-Tokens-Remaining: ")
    out.append(decimal: Int(tokens.remaining))
    out.append("\r\nAnthropic-RateLimit-Tokens-Reset: ")
    let reset = WallTime(seconds: WallTime.now().seconds + Int64(tokens.resetSeconds))
    out.append(reset.civil.rfc3339)
    out.append("\r\n")
  }

  /// The same as text, for answers that are rare.
  func fields(_ tokens: TokenStanding?, _ dialect: Dialect) -> String {
    var lines = ByteBuffer()
    write(tokens, dialect, to: &lines)
    return String(copying: lines.span)
  }
}
