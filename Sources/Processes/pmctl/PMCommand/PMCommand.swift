internal import PMSupervisor
internal import PMWire

/// The program `pmctl`: finds the command, reads its options strictly, runs it.
public enum PMCommand {
  /// The exit code of the whole program. `arguments` begins with the program's name.
  public static func run(_ arguments: [String]) -> Int32 {
    var words = Array(arguments.dropFirst())
    guard let name = words.first else {
      Terminal.error(Help.overview)
      return ExitCode.usage
    }
    words.removeFirst()
    switch name {
    case "help", "--help", "-h": return help(words)
    case "--version": return run(["pmctl", "version"])
    case "ask": return Ask.run(words)
    default: break
    }
    guard let command = Command.all.first(where: { $0.name == name }) else {
      Terminal.error("pmctl: no such command: \(name). pmctl --help lists them.")
      return ExitCode.usage
    }
    return run(command, words)
  }

  private static func run(_ command: Command, _ words: [String]) -> Int32 {
    if words.contains("--help") || words.contains("-h") {
      Terminal.line(Help.page(command))
      return ExitCode.done
    }
    do throws(UsageError) {
      let input = try CommandInput(words, of: command)
      return command.run(input)
    } catch {
      Terminal.error("pmctl \(command.name): \(error.text)\nUsage: \(command.usage)")
      return ExitCode.usage
    }
  }

  private static func help(_ words: [String]) -> Int32 {
    guard let name = words.first else {
      Terminal.line(Help.overview)
      return ExitCode.done
    }
    guard let command = Command.all.first(where: { $0.name == name }) else {
      Terminal.error("pmctl: no such command: \(name)")
      return ExitCode.usage
    }
    Terminal.line(Help.page(command))
    return ExitCode.done
  }
}
