internal import PMSupervisor
internal import PMWire

extension Command {
  static let own: [Command] = [
    Command(
      name: "completion", summary: "Print a completion script for a shell.",
      form: "bash|zsh|fish", operands: ["SHELL"],
      examples: ["pmctl completion bash > /etc/bash_completion.d/pmctl"],
      words: ["bash", "zsh", "fish"]
    ) { input in
      guard let script = Completion.script(for: input.operands[0]) else {
        Terminal.error("pmctl completion: bash, zsh or fish")
        return ExitCode.usage
      }
      Terminal.line(script)
      return ExitCode.done
    },
    Command(name: "version", summary: "Print the version.", form: "") { _ in
      Terminal.line("pmctl \(ApplianceVersion.text)")
      return ExitCode.done
    },
  ]
}
