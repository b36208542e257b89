internal import PMJSON
internal import PMSupervisor
internal import PMWire

extension Command {
  static let orders: [Command] = [
    order(
      .restart, "Restart a service, or all; a new edge must be ready before the old one leaves.",
      mayBeAll: true),
    order(.start, "Start a service.", mayBeAll: false),
    order(.stop, "Let a service finish what it does and leave it off.", mayBeAll: true),
    order(.drain, "The same as stop, for a service that runs.", mayBeAll: false),
    order(.probe, "Ask a service now whether it lives.", mayBeAll: false),
    Command(
      name: "reload",
      summary: "Read the configuration and its files again; services that it changes restart.",
      form: waitForm, flags: waitFlags, options: timeoutOption, examples: ["pmctl reload"]
    ) { input in give(.reload, [nil], input) },
    Command(
      name: "gate", summary: "Repeat the gate now.", form: waitForm, flags: waitFlags,
      options: timeoutOption, examples: ["pmctl gate && pmctl status"]
    ) { input in give(.gate, [nil], input) },
  ]

  private static let waitFlags = ["--wait", "--no-wait", "--json"]
  private static let timeoutOption = ["--timeout": "SECONDS"]
  private static let waitForm = "[--no-wait] [--timeout SECONDS] [--json]"
  private static let everyService = "all"

  private static func order(
    _ verb: ControlVerb, _ summary: String, mayBeAll: Bool
  ) -> Command {
    let operand = mayBeAll ? "NAME|all" : "NAME"
    return Command(
      name: verb.rawValue, summary: summary, form: "\(operand) \(waitForm)", operands: [operand],
      flags: waitFlags, options: timeoutOption,
      examples: ["pmctl \(verb.rawValue) edge", "pmctl \(verb.rawValue) core --timeout 30"],
      words: serviceNames + (mayBeAll ? [everyService] : [])
    ) { input in
      let name = input.operands[0]
      if mayBeAll, name == everyService {
        // Edge last when starting again, first when stopping: nothing comes in that has no way on.
        return give(
          verb, verb == .stop ? [.edge, .admin, .core, .vendor] : Service.allCases, input)
      }
      guard let service = Service(rawValue: name) else {
        Terminal.error("pmctl \(verb.rawValue): no such service: \(name)")
        return ExitCode.usage
      }
      return give(verb, [service], input)
    }
  }

  /// Gives the order to each in turn; stops at the first that is not done.
  @Sendable private static func give(
    _ verb: ControlVerb, _ services: [Service?], _ input: CommandInput
  ) -> Int32 {
    var seconds: Int64 = ControlLimits.deadlineMillisecondsDefault / 1000
    if let text = input["--timeout"] {
      guard let number = Int64(text),
        (1...ControlLimits.deadlineMillisecondsMax / 1000).contains(number)
      else {
        Terminal.error("pmctl \(verb.rawValue): --timeout takes seconds, 1 to 600")
        return ExitCode.usage
      }
      seconds = number
    }
    for (i, service) in services.enumerated() {
      guard var client = ControlClient(input) else { return noAnswer(verb.rawValue, input) }
      let request = ControlRequest(
        id: Int64(i + 1), verb: verb, service: service, deadlineMilliseconds: seconds * 1000)
      let waits = !input.has("--no-wait")
      let outcome = client.ask(request) { line in
        Terminal.line(input.has("--json") ? line.text : ProgressView(line).text)
        return waits
      }
      let code = report(verb.rawValue, outcome)
      if let outcome, input.has("--json") { Terminal.line(outcome.reply(to: request.id).text) }
      if code != ExitCode.done { return code }
    }
    return ExitCode.done
  }
}
