internal import PMJSON
internal import PMWire

/// What `pmctl attest` prints.
struct AttestationView {
  private let head: JSONValue
  private let steps: [JSONValue]

  init(_ head: JSONValue, steps: [JSONValue]) { (self.head, self.steps) = (head, steps) }

  private var gate: String { head["gate"]?.string ?? "?" }
  var isPassed: Bool { gate == GateState.passed.text }

  var json: JSONValue {
    var object = head.object ?? JSONObject()
    object["id"] = nil
    let steps = steps.map { step in
      var step = step.object ?? JSONObject()
      step["id"] = nil
      return JSONValue.object(step)
    }
    object["steps"] = .array(steps)
    return .object(object)
  }

  var text: String {
    if gate == GateState.notAttested.text {
      return "NOT ATTESTED: the development profile has no gate and proves nothing."
    }
    var lines = ["gate: \(gate)" + (head["token"]?.string.map { " (\($0))" } ?? "")]
    let platform = head["platform"]?.string ?? "none"
    lines.append("at:   \(head["at"]?.string ?? "?"), platform \(platform)")
    for step in steps {
      let state = step["state"]?.string ?? ""
      let name = step["step"]?.string ?? ""
      let token = step["token"]?.string.map { " [\($0)]" } ?? ""
      let left = "\(padded(state, 10)) \(padded(name, 16))"
      lines.append("\(left) \(step["detail"]?.string ?? "")\(token)")
    }
    return lines.joined(separator: "\n")
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
  }
}
