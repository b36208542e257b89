internal import Glibc
public import PMSystem

/// Writes events as JSON lines to standard error, one write each, so that lines of several
/// processes do not mix.
public enum Log {
  /// A line never exceeds what a pipe takes in one piece (PIPE_BUF).
  static let lineBytesMax = 4096

  public static func write(_ event: LogEvent, at time: WallTime = .now()) {
    let line = Log.line(event, at: time)
    var bytes = Array(line.utf8.prefix(lineBytesMax - 1))
    bytes.append(0x0A)
    // A log that cannot be written must not stop the service.
    _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
  }

  /// `{"time":"…","process":"edge","level":"info","event":"…",…}`
  public static func line(_ event: LogEvent, at time: WallTime) -> String {
    let record = event.record
    let fraction = String(time.microseconds - time.seconds * 1_000_000 + 1_000_000).dropFirst()
    let seconds = time.civil.rfc3339.dropLast()
    var line = "{\"time\":\"\(seconds).\(fraction)Z\",\"process\":\"\(event.process)\""
    line += ",\"level\":\"\(record.level.rawValue)\",\"event\":\"\(record.name.text)\""
    for field in record.fields {
      line += ",\"\(field.name.text)\":\(field.value.json)"
    }
    return line + "}"
  }
}

extension LogEvent {
  fileprivate var process: String {
    switch self {
    case .supervisor: "pmctl"
    case .edge: "edge"
    case .core: "core"
    case .admin: "admin"
    }
  }
}

extension LogValue {
  fileprivate var json: String {
    switch self {
    case .number(let value): String(value)
    case .word(let word): "\"\(word.text)\""
    case .requestID(let id): "\"\(RequestID(id).text)\""
    case .keyID(let label): "\"\(label.text)\""
    case .digest(let value):
      "\"" + String(repeating: "0", count: value.leadingZeroBitCount / 4)
        + (value == 0 ? "" : String(value, radix: 16)) + "\""
    }
  }
}
