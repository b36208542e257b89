/// Help texts, made from the descriptions of the commands.
enum Help {
  static var overview: String {
    """
    pmctl supervises the Privatemode appliance and shows what it does.

    Usage: pmctl COMMAND [--configuration FILE] [OPTIONS]

    Commands:
    \(list(Command.all))

    pmctl COMMAND --help explains one of them, with examples.
    """
  }

  /// The commands of two words that begin with this one; nil if there are none.
  static func group(_ word: String) -> String? {
    let commands = Command.all.filter { $0.name.hasPrefix(word + " ") }
    return commands.isEmpty ? nil : "Usage: pmctl \(word) ...\n\n\(list(commands))"
  }

  private static func list(_ commands: [Command]) -> String {
    Columns.lines(commands.map { ["  \($0.name)", $0.summary] }).joined(separator: "\n")
  }

  static func page(_ command: Command) -> String {
    var page = "\(command.summary)\n\nUsage: \(command.usage)\n"
    var options = command.flags.map { ($0, "") } + command.options.map { ("\($0.key)", $0.value) }
    options.append((Command.configurationOption, "FILE"))
    page += "\nOptions:\n"
    for (long, value) in options.sorted(by: { $0.0 < $1.0 }) {
      let short = command.aliases.first { $0.value == long }.map { "\($0.key), " } ?? ""
      let name = short + long
      page += "  \(name)\(value.isEmpty ? "" : " \(value)")\n"
    }
    if !command.examples.isEmpty {
      page += "\nExamples:\n" + command.examples.map { "  \($0)\n" }.joined()
    }
    return String(page.dropLast())
  }
}
