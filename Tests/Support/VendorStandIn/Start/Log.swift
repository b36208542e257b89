import CLinux
import Glibc
import PMSystem

/// Lines on stderr in the two formats of Go's `slog`.
///
/// The write blocks on purpose and is made under a lock: a full pipe stops every request, as with
/// the vendor. A closed pipe kills the process.
final class Log: Sendable {
  enum Attribute: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    case text(String)
    case number(Int)
    case truth(Bool)

    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .number(value) }
  }

  /// In order. A nil value is left out.
  typealias Attributes = KeyValuePairs<String, Attribute?>

  enum Level: Int {
    case info = 0
    case warn = 4
    case error = 8

    var name: String {
      switch self {
      case .info: "INFO"
      case .warn: "WARN"
      case .error: "ERROR"
      }
    }
  }

  private let isJSON: Bool
  private let threshold: Int
  private let turn = Guarded(())

  /// Only the exact word `text` gives text; an unreadable level falls to warn in text, to info in
  /// JSON.
  init(format: String, level: String) {
    isJSON = format != "text"
    threshold =
      switch level.lowercased() {
      case "debug": -4
      case "", "info": 0
      case "warn": 4
      case "error": 8
      default: Int(level) ?? (format == "text" ? 4 : 0)
      }
  }

  func info(_ message: String, _ attributes: Attributes = [:]) {
    write(.info, message, attributes)
  }

  func warn(_ message: String, _ attributes: Attributes = [:]) {
    write(.warn, message, attributes)
  }

  func error(_ message: String, _ attributes: Attributes = [:]) {
    write(.error, message, attributes)
  }

  func write(_ level: Level, _ message: String, _ attributes: Attributes) {
    guard level.rawValue >= threshold else { return }
    let line = isJSON ? json(level, message, attributes) : plain(level, message, attributes)
    turn.withLock { _ in
      // The vendor's runtime dies of a broken stderr; SIGPIPE is ignored here for TLS's sake.
      if !Files.writeAll(line, to: STDERR_FILENO) && pm_errno() == EPIPE {
        Signals.die(by: SIGPIPE)
      }
    }
  }

  private func json(_ level: Level, _ message: String, _ attributes: Attributes) -> Bytes {
    var members: [JSON.Member] = [
      JSON.Member(name: Bytes("time"), value: .text(Clock.wall().rfc3339(fractionDigits: 9))),
      JSON.Member(name: Bytes("level"), value: .text(level.name)),
      JSON.Member(name: Bytes("msg"), value: .text(message)),
    ]
    for (name, attribute) in attributes {
      guard let attribute else { continue }
      let value: JSON =
        switch attribute {
        case .text(let text): .text(text)
        case .number(let number): .int(number)
        case .truth(let truth): .bool(truth)
        }
      members.append(JSON.Member(name: Bytes(name), value: value))
    }
    return JSON.object(members).rendered() + Bytes("\n")
  }

  private func plain(_ level: Level, _ message: String, _ attributes: Attributes) -> Bytes {
    var line = "time=\(Clock.wall().rfc3339(fractionDigits: 3)) level=\(level.name)"
    line += " msg=\(quotedWhereNeeded(message))"
    for (name, attribute) in attributes {
      guard let attribute else { continue }
      let value =
        switch attribute {
        case .text(let text): quotedWhereNeeded(text)
        case .number(let number): String(number)
        case .truth(let truth): String(truth)
        }
      line += " \(name)=\(value)"
    }
    return Bytes(line + "\n")
  }

  private func quotedWhereNeeded(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { (0x21..<0x7f).contains($0) && $0 != 0x22 && $0 != 0x3d }
    return isPlain && !text.isEmpty ? text : goQuoted(text)
  }
}
