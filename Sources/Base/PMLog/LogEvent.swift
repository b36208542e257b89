/// Everything this product can log, one enum for each process. What has no case cannot be written.
public enum LogEvent: Sendable {
  case supervisor(SupervisorEvent)
  case edge(EdgeEvent)
  case core(CoreEvent)
  case admin(AdminEvent)

  var record: LogRecord {
    switch self {
    case .supervisor(let event): event.record
    case .edge(let event): event.record
    case .core(let event): event.record
    case .admin(let event): event.record
    }
  }
}

/// How much an event matters.
public enum LogLevel: String, Sendable {
  case info, warning, error
}

/// What an event becomes on its line.
public struct LogRecord: Sendable {
  public let name: StaticWord
  public let level: LogLevel
  public let fields: [LogField]

  public init(_ level: LogLevel, _ name: StaticWord, _ fields: [LogField] = []) {
    (self.level, self.name, self.fields) = (level, name, fields)
  }
}
