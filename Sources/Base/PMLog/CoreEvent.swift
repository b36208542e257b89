/// What the core logs.
public enum CoreEvent: Sendable {
  case started(keys: Int, unsettled: Int)
  case draining(requests: Int)
  case stopped
  case requestEnded(RequestOutcome)
  case ledgerFailed(code: Int32)
  case ledgerRefused(reason: StaticWord)
  case ledgerRecovered(unsettled: Int)
  case keysFileLoaded(keys: Int, shadowed: Int)
  case keysFileRefused
  case keysFileGone
  case vendorState(StaticWord)
  case vendorFault(StaticWord)
  /// It has had too much of us, and said for how long, or not.
  case vendorThrottled(isTimeStated: Bool, seconds: Int)
  case alarmRaised(StaticWord, row: Int64)
  case modelUnpriced
  case settledAboveReservation
  case configurationRefused
  case backupMade(bytes: Int)
  case backupFailed(reason: StaticWord)

  /// The end of one request, without anything of its content.
  public struct RequestOutcome: Sendable {
    public var requestID: UInt128
    public var key: KeyLabel
    public var route: StaticWord
    public var status: Int
    public var code: StaticWord
    public var milliseconds: UInt64

    public init(
      requestID: UInt128, key: KeyLabel, route: StaticWord, status: Int, code: StaticWord,
      milliseconds: UInt64
    ) {
      self.requestID = requestID
      self.key = key
      self.route = route
      self.status = status
      self.code = code
      self.milliseconds = milliseconds
    }
  }

  var record: LogRecord {
    switch self {
    case .started(let keys, let unsettled):
      LogRecord(.info, "started", [.number("keys", keys), .number("unsettled", unsettled)])
    case .draining(let count): LogRecord(.info, "draining", [.number("requests", count)])
    case .stopped: LogRecord(.info, "stopped")
    case .requestEnded(let end):
      LogRecord(
        .warning, "request-ended",
        [
          LogField("request_id", .requestID(end.requestID)), LogField("key_id", .keyID(end.key)),
          LogField("route", .word(end.route)), .number("status", end.status),
          LogField("code", .word(end.code)), .number("milliseconds", end.milliseconds),
        ])
    case .ledgerFailed(let code): LogRecord(.error, "ledger-failed", [.number("code", code)])
    case .ledgerRefused(let reason):
      LogRecord(.error, "ledger-refused", [LogField("reason", .word(reason))])
    case .ledgerRecovered(let count):
      LogRecord(.warning, "ledger-recovered", [.number("unsettled", count)])
    case .keysFileLoaded(let keys, let shadowed):
      LogRecord(.info, "keys-file-loaded", [.number("keys", keys), .number("shadowed", shadowed)])
    case .keysFileRefused: LogRecord(.error, "keys-file-refused")
    case .keysFileGone: LogRecord(.error, "keys-file-gone")
    case .vendorState(let word):
      LogRecord(.info, "vendor-state", [LogField("state", .word(word))])
    case .vendorFault(let word):
      LogRecord(.warning, "vendor-fault", [LogField("code", .word(word))])
    case .vendorThrottled(let isTimeStated, let seconds):
      LogRecord(
        .warning, "vendor-throttled",
        [.word("wait", isTimeStated ? "stated" : "chosen"), .number("seconds", seconds)])
    case .alarmRaised(let kind, let row):
      LogRecord(.warning, "alarm-raised", [LogField("alarm", .word(kind)), .number("row", row)])
    case .modelUnpriced: LogRecord(.warning, "model-unpriced")
    case .settledAboveReservation: LogRecord(.error, "settled-above-reservation")
    case .configurationRefused: LogRecord(.error, "configuration-refused")
    case .backupMade(let bytes): LogRecord(.info, "backup-made", [.number("bytes", bytes)])
    case .backupFailed(let reason):
      LogRecord(.error, "backup-failed", [LogField("reason", .word(reason))])
    }
  }
}
