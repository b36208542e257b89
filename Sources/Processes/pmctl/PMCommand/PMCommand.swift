public import PMSupervisor
internal import PMWire

/// The program `pmctl`: finds the command, reads its options strictly, runs it.
public enum PMCommand {
  /// The exit code of the whole program. `arguments` begins with the program's name.
  public static func run(_ arguments: [String], world: World = .real) -> Int32 {
    var words = Array(arguments.dropFirst())
    // The predecessor's key tool by its own name.
    if arguments.first?.split(separator: "/").last == "manage_keys" { words.insert("keys", at: 0) }
    switch words.first {
    case nil:
      Terminal.error(Help.overview)
      return ExitCode.usage
    case "help", "--help", "-h": return help(Array(words.dropFirst()))
    case "--version": return run(["pmctl", "version"], world: world)
    case "ask": return Ask.run(Array(words.dropFirst()))
    case "collateral": return Collateral.run(Array(words.dropFirst()))
    case "appraise": return Appraise.run(world)
    default: break
    }
    guard let (command, rest) = Command.find(words) else { return unknown(words) }
    return run(command, rest, world)
  }

  private static func unknown(_ words: [String]) -> Int32 {
    let group = Help.group(words[0])
    if words.dropFirst().contains(where: { $0 == "--help" || $0 == "-h" }), let group {
      Terminal.line(group)
      return ExitCode.done
    }
    let name = words.joined(separator: " ")
    Terminal.error(group ?? "pmctl: no such command: \(name). pmctl --help lists them.")
    return ExitCode.usage
  }

  private static func run(_ command: Command, _ words: [String], _ world: World) -> Int32 {
    if words.contains("--help") || words.contains("-h") {
      Terminal.line(Help.page(command))
      return ExitCode.done
    }
    do throws(UsageError) {
      let input = try CommandInput(words, of: command, in: world)
      if !command.judgesConfiguration, let fault = fault(of: input[Command.configurationOption]) {
        Terminal.error("pmctl \(command.name): \(fault)")
        return ExitCode.configuration
      }
      return command.run(input)
    } catch {
      Terminal.error("pmctl \(command.name): \(error.text)\nUsage: \(command.usage)")
      return command.usageExit
    }
  }

  /// What is wrong with a file that the caller named: without it the order would go to whichever
  /// supervisor has the usual place.
  private static func fault(of path: String?) -> ConfigurationError? {
    guard let path else { return nil }
    do throws(ConfigurationError) {
      _ = try ConfigurationFile(path)
      return nil
    } catch {
      return error
    }
  }

  private static func help(_ words: [String]) -> Int32 {
    guard let name = words.first else {
      Terminal.line(Help.overview)
      return ExitCode.done
    }
    guard let (command, _) = Command.find(words) else {
      Terminal.error(Help.group(name) ?? "pmctl: no such command: \(name)")
      return ExitCode.usage
    }
    Terminal.line(Help.page(command))
    return ExitCode.done
  }
}
