import Glibc
import PMSystem

/// Everything that one running stand-in shares between its connections.
final class StandIn: Sendable {
  let options: Options
  let apiKey: Bytes?
  let scenario: Scenario
  let log: Log
  let keeper: SecretKeeper
  let rules: RuleTable
  let recorder = Recorder()
  let cache = PromptCache()
  let sharedSalt: Bytes?
  let dateText: String

  private let port = Guarded<Int?>(nil)

  init(
    options: Options, apiKey: Bytes?, scenario: Scenario, log: Log, keeper: SecretKeeper
  ) {
    self.options = options
    self.apiKey = apiKey
    self.scenario = scenario
    self.log = log
    self.keeper = keeper
    rules = RuleTable(scenario.rules)
    dateText = CivilTime(epochSeconds: scenario.clockSeconds, nanoseconds: 0).httpDate
    let salt = options.promptCacheSalt
    let fixedSalt = "a fixed stand-in for a random salt"
    sharedSalt = options.sharesPromptCache ? Bytes(salt.isEmpty ? fixedSalt : salt) : nil
  }

  func isListening(on number: UInt16) { port.withLock { $0 = Int(number) } }

  var state: JSON {
    [
      "ok": true, "port": .optional(port.withLock { $0 }), "attested": .bool(keeper.isAttested),
      "in_flight": .int(recorder.inFlight), "connections": .int(recorder.connections),
    ]
  }

  /// SIGINT leaves at once: 0 when idle, 1 with requests cut. SIGQUIT dumps and leaves with 2.
  func receive(signal number: Int32) {
    guard number == SIGINT else {
      _ = Files.writeAll(
        Bytes("SIGQUIT: quit\n\ngoroutine 1 [running]:\nmain.main()\n"), to: STDERR_FILENO)
      _exit(2)
    }
    let line =
      "\rSignal caught. Press ctrl+c again to terminate the program immediately.\n"
    _ = Files.writeAll(Bytes(line), to: STDOUT_FILENO)
    let isIdle = recorder.inFlight == 0 && (keeper.isAttested || apiKey == nil)
    log.info("Context cancelled, stopping loop", ["component": "secret-loop"])
    log.info("Shutting down server")
    if isIdle { _exit(0) }
    _ = Files.writeAll(Bytes("Error: context canceled\n"), to: STDERR_FILENO)
    _exit(1)
  }

  static func die(_ death: Fault.Death) -> Never {
    switch death {
    case .code(let code): _exit(code)
    case .signal(let number): Signals.die(by: number)
    }
  }
}

/// Runs the stand-in with the process's own command line and environment.
public func runStandIn() -> Never {
  switch OptionParser.parse(Array(CommandLine.arguments.dropFirst())) {
  case .help: leave(code: 0, helpText(), on: STDOUT_FILENO)
  case .version:
    leave(code: 0, "privatemode-proxy version \(Boot.version)\n", on: STDOUT_FILENO)
  case .refused(let text): leave(code: 1, "Error: \(text)\n", on: STDERR_FILENO)
  case .run(let options, let deprecated):
    for name in deprecated {
      let notice = "Flag --\(name) has been deprecated, it is ignored\n"
      _ = Files.writeAll(Bytes(notice), to: STDERR_FILENO)
    }
    guard ["json", "text"].contains(options.logFormat.lowercased()) else {
      let text =
        "invalid log format \(goQuoted(options.logFormat)): "
        + "--log-format must be one of [\"json\" \"text\"]"
      leave(code: 1, "Error: \(text)\n", on: STDERR_FILENO)
    }
    boot(options)
  }
}

private func boot(_ options: Options) -> Never {
  do throws(FieldFault) {
    let scenario = try Scenario.load(Files.environment("PM_STANDIN_SCENARIO"))
    let log = Log(format: options.logFormat, level: options.logLevel)
    do throws(Boot.Refusal) {
      try Boot(options: options, scenario: scenario, log: log).run()
    } catch {
      leave(code: 1, "Error: \(error.text)\n", on: STDERR_FILENO)
    }
  } catch {
    leave(code: 1, "Error: stand-in scenario: \(error.text)\n", on: STDERR_FILENO)
  }
}

private func leave(code: Int32, _ text: String, on file: Int32) -> Never {
  _ = Files.writeAll(Bytes(text), to: file)
  _exit(code)
}
