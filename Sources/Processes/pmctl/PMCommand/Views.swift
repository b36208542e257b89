internal import PMJSON
internal import PMSystem

/// `edge gen 4 ready after 212 ms`
struct ProgressView {
  private let line: JSONValue
  init(_ line: JSONValue) { self.line = line }

  var text: String {
    let service = line["service"]?.string ?? "?"
    let number = line["generation"]?.integer ?? 0
    let state = line["state"]?.string ?? "?"
    let after = line["after_ms"]?.integer.map { " after \($0) ms" } ?? ""
    return "\(service) gen \(number) \(state)\(after)"
  }
}

/// One line of `pmctl why`.
struct DeathView {
  private let record: JSONValue
  init(_ record: JSONValue) { self.record = record }

  var text: String {
    let time = WallTime(seconds: record["time"]?.integer ?? 0).civil.rfc3339
    var line = "\(time)  gen \(record["generation"]?.integer ?? 0)  \(reason)"
    line += ", up \(Duration.text(milliseconds: record["up_ms"]?.integer ?? 0))"
    if let lost = record["in_flight"]?.integer, lost > 0 { line += ", \(lost) in flight" }
    if let next = record["next_generation"]?.integer {
      let waited = Duration.text(milliseconds: record["waited_ms"]?.integer ?? 0)
      line += " → gen \(next) after \(waited), ready in \(record["ready_in_ms"]?.integer ?? 0) ms"
    }
    return line
  }

  private var reason: String {
    var text = ReasonText.of(record["reason"]?.string ?? "?")
    if let exit = record["exit"]?.string, exit != record["reason"]?.string {
      text += " (\(ReasonText.of(exit)))"
    }
    if let phase = record["phase"]?.string { text += " in phase \(phase)" }
    return text
  }
}

/// The words of `Reason` for people: signals by name, orders by who gave them.
enum ReasonText {
  private static let signals = [
    "signal 2": "SIGINT", "signal 4": "SIGILL", "signal 5": "SIGTRAP", "signal 6": "SIGABRT",
    "signal 7": "SIGBUS", "signal 8": "SIGFPE", "signal 9": "SIGKILL", "signal 11": "SIGSEGV",
    "signal 15": "SIGTERM", "signal 31": "SIGSYS",
  ]

  static func of(_ reason: String) -> String {
    if let signal = signals[reason] { return signal }
    let order = "operator "
    return reason.hasPrefix(order) ? "ordered by uid \(reason.dropFirst(order.count))" : reason
  }
}

/// Lengths of time for people.
enum Duration {
  /// `180 ms`, `12s`, `11m`, `3h 02m`, `3d 02h`.
  static func text(milliseconds: Int64) -> String {
    if milliseconds < 1000 { return "\(milliseconds) ms" }
    let seconds = milliseconds / 1000
    if seconds < 60 { return "\(seconds)s" }
    if seconds < 3600 { return "\(seconds / 60)m" }
    if seconds < 86_400 { return "\(seconds / 3600)h \(twoDigits(seconds / 60 % 60))m" }
    return "\(seconds / 86_400)d \(twoDigits(seconds / 3600 % 24))h"
  }

  private static func twoDigits(_ number: Int64) -> String {
    number < 10 ? "0\(number)" : "\(number)"
  }
}
