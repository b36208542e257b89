/// Completion scripts, made from the descriptions of the commands.
enum Completion {
  static func script(for shell: String) -> String? {
    switch shell {
    case "bash": bash
    case "zsh": zsh
    case "fish": fish
    default: nil
    }
  }

  private static func words(_ command: Command) -> String {
    (command.words + command.flags.sorted() + command.options.keys.sorted() + ["--help"])
      .joined(separator: " ")
  }

  /// What may follow: options and operands after the words of a command, and before that, after
  /// the first word of a command of two, the second. The longer beginnings come first.
  private static var table: [(words: [String], next: String)] {
    let commands = Command.all.map { command in
      (words: command.name.split(separator: " ").map(String.init), next: words(command))
    }
    let groups = firstWords.compactMap { first -> (words: [String], next: String)? in
      let seconds = commands.filter { $0.words.count == 2 && $0.words[0] == first }
      return seconds.isEmpty
        ? nil : ([first], seconds.map { $0.words[1] }.joined(separator: " "))
    }
    return commands.filter { $0.words.count == 2 } + groups
      + commands.filter { $0.words.count == 1 }
  }

  private static var firstWords: [String] {
    var seen: Set<Substring> = []
    return Command.all.compactMap { command in
      let first = command.name.prefix { $0 != " " }
      return seen.insert(first).inserted ? String(first) : nil
    }
  }
  private static var names: String { firstWords.joined(separator: " ") }

  /// Lines of a `case` over the words before the present one and a blank.
  private static func cases(_ act: (String) -> String) -> String {
    table.map { "    \"\($0.words.joined(separator: " ")) \"*) \(act($0.next)) ;;" }
      .joined(separator: "\n")
  }

  private static var bash: String {
    """
    _pmctl() {
      local words
      if [ "$COMP_CWORD" -eq 1 ]; then
        words="\(names)"
      else
        case "${COMP_WORDS[*]:1:COMP_CWORD-1} " in
    \(cases { "words=\"\($0)\"" })
        esac
      fi
      COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
    }
    complete -F _pmctl pmctl
    """
  }

  private static var zsh: String {
    """
    #compdef pmctl
    if (( CURRENT == 2 )); then
      compadd -- \(names)
    else
      case "${words[2,CURRENT-1]} " in
    \(cases { "compadd -- \($0)" })
      esac
    fi
    """
  }

  private static var fish: String {
    var lines = ["complete -c pmctl -f"]
    for name in firstWords {
      lines.append("complete -c pmctl -n __fish_use_subcommand -a \(name)")
    }
    for (words, next) in table {
      var seen = words.map { "__fish_seen_subcommand_from \($0)" }
      let isGroup = words.count == 1 && Help.group(words[0]) != nil
      if isGroup { seen.append("not __fish_seen_subcommand_from \(next)") }
      lines.append("complete -c pmctl -n '\(seen.joined(separator: "; and "))' -a '\(next)'")
    }
    return lines.joined(separator: "\n")
  }
}
