internal import PMAttest
internal import PMCrypto
internal import PMJSON
internal import PMSupervision
internal import PMSystem
internal import PMWire

/// What `pmctl status` shows, as one JSON object below 4 KiB: no payload, no key, no path.
struct StatusReport {
  let machine: Supervision
  let configuration: Configuration
  let children: [Child]
  /// What the gate passed with; nil if it did not.
  let standing: Gatekeeper.Standing?
  /// Notify messages that were not believed or not read.
  let droppedMessages: Int
  let now: Moment

  var json: JSONValue {
    [
      "overall": .string(machine.overall.rawValue),
      "profile": .string(configuration.profile.rawValue),
      "gate": gate,
      "listen": [
        "https": .integer(Int64(configuration.listen.https)),
        "http": .integer(Int64(configuration.listen.http)), "bound": .bool(machine.isListening),
      ],
      "vendor_stand_in": .bool(
        configuration.profile == .development && configuration.vendor.binary == nil),
      "dropped_messages": .integer(Int64(droppedMessages)),
      "services": .array(
        Service.allCases.filter { machine.settings.services.contains($0) }.map(row)),
    ]
  }

  private var gate: JSONValue {
    var object: JSONObject = ["state": .string(machine.gate.text)]
    let own = machine.gate.token.flatMap(FailureToken.init(rawValue:))
    if let token = own ?? (machine.hasBindFailed ? .listen : nil) {
      object["token"] = .string(token.rawValue)
      object["explanation"] = .string(token.explanation)
      object["advice"] = .string(token.advice)
    }
    if machine.gate == .passed, let standing {
      object["attested_at"] = .string(standing.at.civil.rfc3339)
      object["key_sha256"] = .string(standing.key.hex)
      object["warnings"] = .array(standing.warnings.map { .string($0) })
    }
    return .object(object)
  }

  private func row(_ service: Service) -> JSONValue {
    let supervised = machine[service]
    var row: JSONObject = [
      "service": .string(service.rawValue), "state": .string(supervised.state.rawValue),
      "since_ms": .integer(Int64(now.millisecondsSince(supervised.since))),
      "restarts": .integer(Int64(supervised.restarts)), "flapping": .bool(supervised.isFlapping),
    ]
    if let reason = supervised.lastReason { row["last"] = .string(reason.text) }
    if let retry = supervised.retryAt {
      row["retry_in_ms"] = .integer(Int64(retry.millisecondsSince(now)))
    }
    let draining = supervised.generations.count { $0.phase == .draining }
    if draining > 0 { row["draining"] = .integer(Int64(draining)) }
    guard let number = supervised.currentNumber else { return .object(row) }
    row["generation"] = .integer(Int64(number))
    if let child = children.first(where: { $0.service == service && $0.number == number }) {
      add(child, &row)
    }
    if service == .vendor, let health = machine.vendorHealth {
      row["health"] = .string(health.rawValue)
    }
    return .object(row)
  }

  private func add(_ child: Child, _ row: inout JSONObject) {
    row["pid"] = .integer(Int64(child.handle.pid))
    row["sha256"] = .string(child.digest.hex)
    let report = child.report
    if let phase = report.phase { row["phase"] = .string(phase.rawValue) }
    if let lag = report.loopLagMicroseconds { row["loop_lag_us"] = .integer(Int64(clamping: lag)) }
    if let inFlight = report.inFlight { row["in_flight"] = .integer(Int64(inFlight)) }
    if let sandbox = report.sandbox { row["sandbox"] = .string(sandbox.text) }
    if child.service == .vendor {
      row["lines"] = .integer(Int64(child.vendorOutput.lineCount))
      row["unknown_lines"] = .integer(Int64(child.vendorOutput.unknownCount))
    }
  }
}
