internal import PMJSON

/// `pmctl status` for people: the gate, one line per service, the ports.
struct StatusView {
  private let status: JSONValue
  init(_ status: JSONValue) { self.status = status }

  private static let titles = [
    "SERVICE", "STATE", "SINCE", "RESTARTS", "HEALTH", "SANDBOX", "LAST CHANGE",
  ]

  var text: String {
    var lines = ["gate   \(Self.gateText(status["gate"] ?? .null))"]
    if status["vendor_stand_in"]?.boolean == true {
      lines.append("vendor stand-in: answers are made up, nothing is encrypted")
    }
    lines += Columns.lines([Self.titles] + (status["services"]?.array ?? []).map(row))
    lines.append(listen)
    return lines.joined(separator: "\n")
  }

  /// The state, and what to do if it is shut.
  static func gateText(_ gate: JSONValue) -> String {
    var text = gate["state"]?.string ?? "?"
    if let token = gate["token"]?.string { text += "   \(token)" }
    if let explanation = gate["explanation"]?.string { text += "\n       \(explanation)" }
    if let advice = gate["advice"]?.string { text += "\n       \(advice)" }
    return text
  }

  private var listen: String {
    let listen = status["listen"] ?? .null
    let https = listen["https"]?.integer ?? 0
    let http = listen["http"]?.integer ?? 0
    return listen["bound"]?.boolean == true
      ? "listen \(https) and \(http), held by pmctl"
      : "listen nothing; \(https) and \(http) are shut"
  }

  private func row(_ service: JSONValue) -> [String] {
    [
      service["service"]?.string ?? "?",
      state(service),
      Duration.text(milliseconds: service["since_ms"]?.integer ?? 0),
      "\(service["restarts"]?.integer ?? 0)",
      health(service),
      service["sandbox"]?.string ?? "-",
      change(service),
    ]
  }

  private func state(_ service: JSONValue) -> String {
    let state = service["state"]?.string ?? "?"
    return service["flapping"]?.boolean == true ? state + " (flapping)" : state
  }

  private func health(_ service: JSONValue) -> String {
    if let health = service["health"]?.string { return health }
    if let count = service["in_flight"]?.integer, count > 0 { return "\(count) in flight" }
    if let lag = service["loop_lag_us"]?.integer {
      return "loop lag \(lag / 1000).\(lag / 100 % 10) ms"
    }
    return "-"
  }

  private func change(_ service: JSONValue) -> String {
    var parts: [String] = []
    if let last = service["last"]?.string { parts.append(ReasonText.of(last)) }
    if let retry = service["retry_in_ms"]?.integer {
      parts.append("next try in \(Duration.text(milliseconds: retry))")
    }
    if let draining = service["draining"]?.integer { parts.append("\(draining) draining") }
    return parts.isEmpty ? "started" : parts.joined(separator: "; ")
  }
}
