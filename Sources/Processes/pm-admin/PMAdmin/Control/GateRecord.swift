internal import PMJSON

/// What the gate saw of the machine in its last run, as pmctl tells it step by step.
struct GateRecord: Equatable, Sendable {
  struct Step: Equatable, Sendable {
    var name: String
    /// `PASS`, `FAIL`, `SKIP` or `NOT PROVEN`.
    var state: String
    /// What was seen.
    var detail: String
    /// Why it failed; empty if it did not.
    var token: String
  }

  /// The word of the gate: `passed`, `not attested`, …
  var gate: String
  /// Why it is shut; nil if it is not.
  var token: String?
  /// When it ran last.
  var time: String
  /// Nil where none is configured, as in development.
  var platform: String?
  var steps: [Step]

  var isPassed: Bool { gate == "passed" }
}

extension GateRecord {
  /// Reads the lines of pmctl's answer: the gate first, then its steps; nil if they are of another
  /// form.
  init?(lines: [JSONValue]) {
    guard let head = lines.first, let gate = head["gate"]?.string, let time = head["at"]?.string
    else { return nil }
    (self.gate, self.time, steps) = (gate, time, [])
    (token, platform) = (head["token"]?.string, head["platform"]?.string)
    for line in lines.dropFirst() {
      guard let name = line["step"]?.string, let state = line["state"]?.string else { return nil }
      steps.append(
        Step(
          name: name, state: state, detail: line["detail"]?.string ?? "",
          token: line["token"]?.string ?? ""))
    }
  }
}
