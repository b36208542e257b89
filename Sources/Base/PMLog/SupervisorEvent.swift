/// What the supervisor logs.
public enum SupervisorEvent: Sendable {
  case started

  var record: LogRecord {
    switch self {
    case .started: LogRecord(.info, "started")
    }
  }
}
