internal import PMAttest
internal import PMJSON
internal import PMSupervision
internal import PMSystem
internal import PMWire

extension Supervisor {
  /// What the gate saw, one object per step; what `pmctl attest` shows.
  var attestation: [JSONObject] {
    var first: JSONObject = [
      "gate": .string(machine.gate.text),
      "token": machine.gate.token.map { .string($0) } ?? .null,
      "at": .string(gatekeeper.trace.at.civil.rfc3339),
      "profile": .string(configuration.profile.rawValue),
    ]
    first["platform"] = configuration.attestation.platform.map { .string($0.rawValue) } ?? .null
    let listen = configuration.listen
    let listener: JSONObject = [
      "step": "listener", "state": machine.isListening ? "PASS" : "FAIL", "token": .null,
      "ms": 0,
      "detail": .string(
        machine.isListening ? "\(listen.https) and \(listen.http) are open" : "no port is open"),
    ]
    return [first] + gatekeeper.trace.lines + [listener]
  }
}
