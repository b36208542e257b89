internal import PMAttest
internal import PMJSON
internal import PMSupervisor
internal import PMWire

extension Command {
  static let supervision: [Command] = [
    Command(
      name: "supervise", summary: "Run the appliance: gate, listeners, all processes.",
      form: "[--configuration FILE]",
      examples: ["pmctl supervise --configuration /etc/privatemode/appliance.json"],
      judgesConfiguration: true
    ) { input in
      Supervisor.run(
        configurationPath: input[Command.configurationOption] ?? ConfigurationFile.defaultPath,
        world: input.world)
    },
    Command(
      name: "check", summary: "Check a configuration without using it. Exit 0 or 78.",
      form: "[--configuration FILE] [--json]", flags: ["--json"],
      examples: ["pmctl check --configuration appliance.json"], judgesConfiguration: true,
      run: check),
  ]

  @Sendable private static func check(_ input: CommandInput) -> Int32 {
    let path = input[Command.configurationOption] ?? ConfigurationFile.defaultPath
    do throws(ConfigurationError) {
      let file = try ConfigurationFile(path)
      try Rules.check(file.configuration.attestation)
      let profile = file.configuration.profile.rawValue
      if input.has("--json") {
        let value: JSONValue = ["valid": true, "profile": .string(profile)]
        Terminal.line(value.text)
      } else {
        Terminal.line("\(path) is valid, profile \(profile)")
      }
      return ExitCode.done
    } catch {
      if input.has("--json") {
        let value: JSONValue = ["valid": false, "error": .string(error.description)]
        Terminal.line(value.text)
      } else {
        Terminal.error("pmctl check: \(error)")
      }
      return ExitCode.configuration
    }
  }

  /// Names of services, for help and completion.
  static let serviceNames = Service.allCases.map(\.rawValue)
}
