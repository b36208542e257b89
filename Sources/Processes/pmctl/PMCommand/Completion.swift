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

  /// First words, and for each what may follow: second words for a group.
  private static var table: [(name: String, words: String)] {
    var table: [(name: String, words: String)] = []
    for command in Command.all {
      let parts = command.name.split(separator: " ").map(String.init)
      if parts.count == 1 {
        table.append((command.name, words(command)))
      } else if let index = table.firstIndex(where: { $0.name == parts[0] }) {
        table[index].words += " " + parts[1]
      } else {
        table.append((parts[0], parts[1]))
      }
    }
    return table
  }
  private static var names: String { table.map(\.name).joined(separator: " ") }

  private static var bash: String {
    let cases = table.map { "    \($0.name)) words=\"\($0.words)\" ;;" }
    return """
      _pmctl() {
        local words
        if [ "$COMP_CWORD" -eq 1 ]; then
          words="\(names)"
        else
          case "${COMP_WORDS[1]}" in
      \(cases.joined(separator: "\n"))
          esac
        fi
        COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
      }
      complete -F _pmctl pmctl
      """
  }

  private static var zsh: String {
    let cases = table.map { "    \($0.name)) compadd -- \($0.words) ;;" }
    return """
      #compdef pmctl
      if (( CURRENT == 2 )); then
        compadd -- \(names)
      else
        case "$words[2]" in
      \(cases.joined(separator: "\n"))
        esac
      fi
      """
  }

  private static var fish: String {
    var lines = ["complete -c pmctl -f"]
    for (name, words) in table {
      lines.append("complete -c pmctl -n __fish_use_subcommand -a \(name)")
      lines.append("complete -c pmctl -n '__fish_seen_subcommand_from \(name)' -a '\(words)'")
    }
    return lines.joined(separator: "\n")
  }
}
