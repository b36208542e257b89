/// What the admin process logs.
public enum AdminEvent: Sendable {
  case started(signInEnabled: Bool)
  /// What a start needs lacked: descriptors, memory or threads.
  case startFailed(errno: Int32)
  case stopped
  case signedIn
  case signInFailed
  case signInLocked
  case coreUnreachable(errno: Int32)
  case configurationRefused

  var record: LogRecord {
    switch self {
    case .started(let enabled):
      LogRecord(.info, "started", [.number("sign_in", enabled ? 1 : 0)])
    case .startFailed(let number):
      LogRecord(.error, "start-failed", [.number("errno", number)])
    case .stopped: LogRecord(.info, "stopped")
    case .signedIn: LogRecord(.info, "signed-in")
    case .signInFailed: LogRecord(.warning, "sign-in-failed")
    case .signInLocked: LogRecord(.warning, "sign-in-locked")
    case .coreUnreachable(let number):
      LogRecord(.warning, "core-unreachable", [.number("errno", number)])
    case .configurationRefused: LogRecord(.error, "configuration-refused")
    }
  }
}
