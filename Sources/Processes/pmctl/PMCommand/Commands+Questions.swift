internal import PMHTTP
internal import PMJSON
internal import PMSupervisor
internal import PMSystem
internal import PMWire

extension Command {
  static let questions: [Command] = [
    Command(
      name: "status", summary: "Show the gate and every service.", form: "[--json]",
      flags: ["--json"],
      examples: ["pmctl status", "pmctl status --json", "pmctl status >/dev/null; echo $?"],
      run: status),
    Command(
      name: "why", summary: "Show why a service restarted, newest first; or why the gate is shut.",
      form: "NAME|gate [--json]", operands: ["NAME"], flags: ["--json"],
      examples: ["pmctl why core", "pmctl why gate"], words: serviceNames + ["gate"], run: why),
    Command(
      name: "logs", summary: "Show the supervisor's newest events as JSON lines.", form: "",
      examples: ["pmctl logs"], run: logs),
    Command(
      name: "watch", summary: "Show state changes as they come, until interrupted.",
      form: "[--json]", flags: ["--json"], examples: ["pmctl watch"], run: watch),
    Command(
      name: "metrics",
      summary: "Print numbers of supervisor and core for a monitor (Prometheus text).", form: "",
      examples: ["pmctl metrics > /var/lib/node_exporter/privatemode.prom"], run: metrics),
  ]

  static func noAnswer(_ command: String, _ input: CommandInput) -> Int32 {
    let folder = ControlClient.runtimeDirectory(input)
    Terminal.error("pmctl \(command): no supervisor answers at \(folder)/\(SocketName.supervisor)")
    return ExitCode.noAnswer
  }

  private static func readStatus(_ input: CommandInput) -> JSONValue? {
    guard var client = ControlClient(input) else { return nil }
    var status: JSONValue?
    let outcome = client.ask(ControlRequest(id: 1, verb: .status)) { line in
      status = line["status"] ?? status
      return true
    }
    return outcome?.outcome == .done ? status : nil
  }

  @Sendable private static func status(_ input: CommandInput) -> Int32 {
    guard let status = readStatus(input) else {
      if input.has("--json") { Terminal.line("{\"overall\":\"no-answer\"}") }
      return noAnswer("status", input)
    }
    Terminal.line(input.has("--json") ? status.text : StatusView(status).text)
    let overall = status["overall"]?.string.flatMap { Overall(rawValue: $0) }
    return (overall ?? .degraded).exitCode
  }

  /// A monitor asks every few seconds; core answers in milliseconds.
  private static let metricSecondsMax = 5

  @Sendable private static func metrics(_ input: CommandInput) -> Int32 {
    guard let status = readStatus(input) else { return noAnswer("metrics", input) }
    FileIO.writeStandard(Array(Metrics(status).text.utf8), to: 1)
    // Text of the same format; without core the supervisor's own is worth having all the same.
    let answer = CoreClient(input, silenceSecondsMax: metricSecondsMax).ask(.readMetrics)
    let core = answer.flatMap { $0.isGood ? $0.body : nil }
    FileIO.writeStandard(core ?? Array("# core does not answer\n".utf8), to: 1)
    return ExitCode.done
  }

  @Sendable private static func why(_ input: CommandInput) -> Int32 {
    let name = input.operands[0]
    if name == "gate" { return whyGate(input) }
    guard let service = Service(rawValue: name) else {
      Terminal.error("pmctl why: no such service: \(name)")
      return ExitCode.usage
    }
    guard var client = ControlClient(input) else { return noAnswer("why", input) }
    var count = 0
    let outcome = client.ask(ControlRequest(id: 1, verb: .why, service: service)) { line in
      guard let record = line["record"] else { return true }
      count += 1
      Terminal.line(input.has("--json") ? record.text : DeathView(record).text)
      return true
    }
    if count == 0, outcome?.outcome == .done, !input.has("--json") {
      Terminal.line("\(name) has not ended since pmctl keeps count")
    }
    return report("why", outcome)
  }

  private static func whyGate(_ input: CommandInput) -> Int32 {
    guard let gate = readStatus(input)?["gate"] else { return noAnswer("why", input) }
    Terminal.line(input.has("--json") ? gate.text : StatusView.gateText(gate))
    return ExitCode.done
  }

  @Sendable private static func logs(_ input: CommandInput) -> Int32 {
    guard var client = ControlClient(input) else { return noAnswer("logs", input) }
    let outcome = client.ask(ControlRequest(id: 1, verb: .logs)) { line in
      if let text = line["line"]?.string { Terminal.line(text) }
      return true
    }
    return report("logs", outcome)
  }

  @Sendable private static func watch(_ input: CommandInput) -> Int32 {
    guard var client = ControlClient(input) else { return noAnswer("watch", input) }
    let outcome = client.ask(ControlRequest(id: 1, verb: .watch)) { line in
      Terminal.line(input.has("--json") ? line.text : ProgressView(line).text)
      return true
    }
    return report("watch", outcome)
  }

  /// The exit code of an outcome, with a word for people where it is not `done`.
  static func report(_ command: String, _ outcome: ControlOutcome?) -> Int32 {
    guard let outcome else {
      Terminal.error("pmctl \(command): the supervisor ended the connection")
      return ExitCode.noAnswer
    }
    if outcome.outcome != .done {
      let reason = outcome.reason.map { ": \($0)" } ?? ""
      Terminal.error("pmctl \(command): \(outcome.outcome.rawValue)\(reason)")
    }
    return outcome.outcome.exitCode
  }
}
