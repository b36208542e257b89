internal import PMCrypto
internal import PMJSON
internal import PMSupervisor
internal import PMSystem
internal import PMWire

extension Command {
  static let attestation: [Command] = [
    Command(
      name: "attest",
      summary: "Show what the gate saw of this machine, step by step.",
      form: "[--fresh] [--save DIR] [--json]", flags: ["--fresh", "--json"],
      options: ["--save": "DIR"],
      examples: [
        "pmctl attest", "pmctl attest --fresh   # runs the gate again first",
        "pmctl attest --save evidence   # evidence.json, which the gate judged",
      ], run: attest)
  ]

  @Sendable private static func attest(_ input: CommandInput) -> Int32 {
    if input.has("--fresh") {
      guard var client = ControlClient(input) else { return noAnswer("attest", input) }
      let outcome = client.ask(ControlRequest(id: 1, verb: .gate))
      // A gate that stays shut has something to show, too; whoever may not ask is told.
      if outcome?.outcome == .refused, outcome?.reason == "not-permitted" {
        Terminal.error("pmctl attest: --fresh is for administrators")
        return ExitCode.refused
      }
    }
    guard var client = ControlClient(input) else { return noAnswer("attest", input) }
    var lines: [JSONValue] = []
    let outcome = client.ask(ControlRequest(id: 1, verb: .attest)) { line in
      lines.append(line)
      return true
    }
    guard outcome?.outcome == .done, let head = lines.first else {
      return noAnswer("attest", input)
    }
    let view = AttestationView(head, steps: Array(lines.dropFirst()))
    Terminal.line(input.has("--json") ? view.json.text : view.text)
    if let folder = input["--save"] {
      let code = save(to: folder, input)
      if code != ExitCode.done { return code }
    }
    return view.isPassed ? ExitCode.done : ExitCode.gateShut
  }

  /// The document that was judged. `pmctl verify --evidence` wants the connection besides, which
  /// only a client has seen.
  private static func save(to folder: String, _ input: CommandInput) -> Int32 {
    guard var client = ControlClient(input) else { return noAnswer("attest", input) }
    var document: [UInt8] = []
    let outcome = client.ask(ControlRequest(id: 1, verb: .evidence)) { line in
      document += line["data"]?.string.flatMap(Base64.bytes) ?? []
      return true
    }
    guard outcome?.outcome == .done else {
      Terminal.error("pmctl attest: there is no evidence to save")
      return ExitCode.failed
    }
    do throws(SystemError) {
      try FileIO.makeFolder(folder, mode: 0o755)
      try FileIO.replace("\(folder)/evidence.json", with: document, mode: 0o644)
      return ExitCode.done
    } catch {
      Terminal.error("pmctl attest: \(folder) cannot be written (errno \(error.number))")
      return ExitCode.failed
    }
  }
}
