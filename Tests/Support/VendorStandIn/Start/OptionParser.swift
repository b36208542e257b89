/// What the command line asks for.
enum Invocation {
  case run(Options, deprecated: [String])
  case help
  case version
  /// The text behind `Error: `.
  case refused(String)
}

/// Reads a command line by the rules of Go's pflag: `--x=v`, `--x v`, `--flag`, `-l v`, `-lv`.
struct OptionParser {
  private var rest: ArraySlice<String>
  private var options = Options()
  private var deprecated: [String] = []
  private var wantsHelp = false
  private var wantsVersion = false

  private struct Refusal: Error {
    let text: String
  }

  static func parse(_ arguments: [String]) -> Invocation {
    var parser = OptionParser(rest: arguments[...])
    do throws(Refusal) {
      try parser.parseAll()
    } catch {
      return .refused(error.text)
    }
    if parser.wantsHelp { return .help }
    if parser.wantsVersion { return .version }
    return .run(parser.options, deprecated: parser.deprecated)
  }

  private init(rest: ArraySlice<String>) { self.rest = rest }

  private mutating func parseAll() throws(Refusal) {
    while let argument = rest.popFirst() {
      if argument == "--" {
        guard let positional = rest.first else { return }
        throw Self.unexpected(positional)
      } else if argument.hasPrefix("--") {
        try parseLong(argument)
      } else if argument.hasPrefix("-") && argument.count > 1 {
        try parseShort(argument)
      } else {
        throw Self.unexpected(argument)
      }
    }
  }

  private static func unexpected(_ argument: String) -> Refusal {
    Refusal(text: "unknown command \(goQuoted(argument)) for \"privatemode-proxy\"")
  }

  private mutating func parseLong(_ argument: String) throws(Refusal) {
    let parts = argument.dropFirst(2).split(
      separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0])
    guard !name.isEmpty, !name.hasPrefix("-") else {
      throw Refusal(text: "bad flag syntax: \(argument)")
    }
    let value = parts.count == 2 ? String(parts[1]) : nil
    switch name {
    case "help": wantsHelp = true
    case "version": wantsVersion = true
    default:
      guard let flag = Flag.all.first(where: { $0.name == name }) else {
        throw Refusal(text: "unknown flag: --\(name)")
      }
      try set(flag, to: value, spelled: "--\(name)")
    }
  }

  private mutating func parseShort(_ argument: String) throws(Refusal) {
    let letter = argument[argument.index(after: argument.startIndex)]
    var value: String? = String(argument.dropFirst(2))
    if value?.isEmpty == true { value = nil }
    if value?.hasPrefix("=") == true { value?.removeFirst() }
    switch letter {
    case "h": wantsHelp = true
    case "v": wantsVersion = true
    default:
      guard let flag = Flag.all.first(where: { $0.shorthand == letter }) else {
        throw Refusal(text: "unknown shorthand flag: '\(letter)' in \(argument)")
      }
      try set(flag, to: value, spelled: "-\(letter)")
    }
  }

  private mutating func set(
    _ flag: Flag, to given: String?, spelled: String
  ) throws(Refusal) {
    switch flag.target {
    case .truth(let path):
      guard let truth = Self.truth(given ?? "true") else {
        throw Self.invalid(given ?? "", for: flag, call: "ParseBool")
      }
      options[keyPath: path] = truth
    case .text(let path):
      options[keyPath: path] = try value(given, of: spelled)
    case .number(let path):
      let text = try value(given, of: spelled)
      guard let number = Int(text) else { throw Self.invalid(text, for: flag, call: "ParseInt") }
      options[keyPath: path] = number
    }
    if flag.name == "apiKey" { options.isAPIKeySet = true }
    if flag.isDeprecated && !deprecated.contains(flag.name) { deprecated.append(flag.name) }
  }

  /// The value given with `=`, or the next argument.
  private mutating func value(_ given: String?, of spelled: String) throws(Refusal) -> String {
    if let given { return given }
    guard let value = rest.popFirst() else {
      let isShort = !spelled.hasPrefix("--")
      throw Refusal(
        text: isShort
          ? "flag needs an argument: '\(spelled.dropFirst())' in \(spelled)"
          : "flag needs an argument: \(spelled)")
    }
    return value
  }

  private static func invalid(_ value: String, for flag: Flag, call: String) -> Refusal {
    let quoted = goQuoted(value)
    let spelled = flag.shorthand.map { "-\($0), --\(flag.name)" } ?? "--\(flag.name)"
    return Refusal(
      text: "invalid argument \(quoted) for \"\(spelled)\" flag: "
        + "strconv.\(call): parsing \(quoted): invalid syntax")
  }

  private static func truth(_ text: String) -> Bool? {
    switch text {
    case "1", "t", "T", "true", "TRUE", "True": true
    case "0", "f", "F", "false", "FALSE", "False": false
    default: nil
    }
  }
}

/// The text of `--help`: the vendor's flags, in words of ours.
func helpText() -> String {
  let defaults = Options()
  var lines = ["Stand-in for the Privatemode proxy, for tests.", "", "Usage:"]
  lines += ["  privatemode-proxy [flags]", "", "Flags:"]
  for flag in Flag.all where !flag.isHidden && !flag.isDeprecated {
    let (type, value) =
      switch flag.target {
      case .text(let path): (" string", goQuoted(defaults[keyPath: path]))
      case .number(let path): (" int", String(defaults[keyPath: path]))
      case .truth(let path): ("", String(defaults[keyPath: path]))
      }
    let isZero = value == "\"\"" || value == "false"
    let letter = flag.shorthand.map { "  -\($0), " } ?? "      "
    let name = "\(letter)--\(flag.name)\(type)"
    let gap = String(repeating: " ", count: max(1, 44 - name.count))
    lines.append(name + gap + flag.help + (isZero ? "" : " (default \(value))"))
  }
  lines.append("  -h, --help" + String(repeating: " ", count: 34) + "help for privatemode-proxy")
  lines.append(
    "  -v, --version" + String(repeating: " ", count: 31) + "version for privatemode-proxy")
  return lines.joined(separator: "\n") + "\n"
}
