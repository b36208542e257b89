/// What the edge logs.
public enum EdgeEvent: Sendable {
  case started(threads: Int)
  case draining(connections: Int)
  case stopped
  case certificateLoaded(daysLeft: Int)
  case certificateRefused(reason: CertificateFault)
  case descriptorsExhausted
  case coreUnreachable(errno: Int32)
  case configurationRefused

  /// Why a certificate and key pair was not taken into use.
  public enum CertificateFault: Sendable {
    case unreadable, unusable, mismatch, expired
    var word: StaticString {
      switch self {
      case .unreadable: "unreadable"
      case .unusable: "unusable"
      case .mismatch: "mismatch"
      case .expired: "expired"
      }
    }
  }

  var record: LogRecord {
    switch self {
    case .started(let threads): LogRecord(.info, "started", [.number("threads", threads)])
    case .draining(let count): LogRecord(.info, "draining", [.number("connections", count)])
    case .stopped: LogRecord(.info, "stopped")
    case .certificateLoaded(let days):
      LogRecord(.info, "certificate-loaded", [.number("days_left", days)])
    case .certificateRefused(let fault):
      LogRecord(.error, "certificate-refused", [.word("reason", fault.word)])
    case .descriptorsExhausted: LogRecord(.error, "descriptors-exhausted")
    case .coreUnreachable(let number):
      LogRecord(.warning, "core-unreachable", [.number("errno", number)])
    case .configurationRefused: LogRecord(.error, "configuration-refused")
    }
  }
}
