/// Help texts, made from the descriptions of the commands.
enum Help {
  static var overview: String {
    let width = (Command.all.map(\.name.count).max() ?? 0) + 2
    let lines = Command.all.map { command in
      "  \(command.name)\(String(repeating: " ", count: width - command.name.count))\(command.summary)"
    }
    return """
      pmctl supervises the Privatemode appliance and shows what it does.

      Usage: pmctl COMMAND [--configuration FILE] [OPTIONS]

      Commands:
      \(lines.joined(separator: "\n"))

      pmctl COMMAND --help explains one of them, with examples.
      """
  }

  static func page(_ command: Command) -> String {
    var page = "\(command.summary)\n\nUsage: \(command.usage)\n"
    var options = command.flags.map { ($0, "") } + command.options.map { ("\($0.key)", $0.value) }
    options.append((Command.configurationOption, "FILE"))
    page += "\nOptions:\n"
    for (name, value) in options.sorted(by: { $0.0 < $1.0 }) {
      page += "  \(name)\(value.isEmpty ? "" : " \(value)")\n"
    }
    if !command.examples.isEmpty {
      page += "\nExamples:\n" + command.examples.map { "  \($0)\n" }.joined()
    }
    return String(page.dropLast())
  }
}
