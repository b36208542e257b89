internal import PMJSON
internal import PMWire

/// The status in the Prometheus exposition format. Services and states are the only labels.
struct Metrics {
  private let status: JSONValue
  init(_ status: JSONValue) { self.status = status }

  var text: String {
    var lines = ["# TYPE privatemode_gate_open gauge"]
    let gate = status["gate"]?["state"]?.string
    lines.append("privatemode_gate_open \(gate == "passed" ? 1 : 0)")
    lines.append("# TYPE privatemode_listening gauge")
    lines.append("privatemode_listening \(status["listen"]?["bound"]?.boolean == true ? 1 : 0)")
    let name = "privatemode_service_state"
    lines.append("# TYPE \(name) gauge")
    for service in services {
      for state in ServiceState.allCases {
        let isState = service["state"]?.string == state.rawValue
        lines.append(
          "\(name){\(label(service)),state=\"\(state.rawValue)\"} \(isState ? 1 : 0)")
      }
    }
    lines += family("privatemode_service_restarts_total", "counter", "restarts")
    lines += family("privatemode_service_in_flight", "gauge", "in_flight")
    lines += family("privatemode_service_loop_lag_microseconds", "gauge", "loop_lag_us")
    return lines.joined(separator: "\n") + "\n"
  }

  private var services: [JSONValue] { status["services"]?.array ?? [] }

  private func label(_ service: JSONValue) -> String {
    "service=\"\(service["service"]?.string ?? "")\""
  }

  private func family(_ name: String, _ type: String, _ member: String) -> [String] {
    let samples = services.compactMap { service in
      service[member]?.integer.map { "\(name){\(label(service))} \($0)" }
    }
    return samples.isEmpty ? [] : ["# TYPE \(name) \(type)"] + samples
  }
}
