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
  private static var names: String { Command.all.map(\.name).joined(separator: " ") }

  private static var bash: String {
    let cases = Command.all.map { "    \($0.name)) words=\"\(words($0))\" ;;" }
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
    let cases = Command.all.map { "    \($0.name)) compadd -- \(words($0)) ;;" }
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
    for command in Command.all {
      lines.append(
        "complete -c pmctl -n __fish_use_subcommand -a \(command.name) -d '\(command.summary)'")
      let given = "'__fish_seen_subcommand_from \(command.name)'"
      lines.append("complete -c pmctl -n \(given) -a '\(words(command))'")
    }
    return lines.joined(separator: "\n")
  }
}
