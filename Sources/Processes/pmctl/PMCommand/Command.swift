internal import PMSupervisor
internal import PMWire

/// One command of `pmctl`: everything that help, completion and the reader of options need.
struct Command: Sendable {
  /// One word, or two: `keys list`.
  let name: String
  let summary: String
  /// The words after the name, such as `NAME [--json]`.
  let form: String
  /// Words that must follow, by name.
  var operands: [String] = []
  /// True if the last operand may be left out.
  var mayLackLastOperand = false
  /// Options without a value.
  var flags: [String] = []
  /// Options with a value, and what it is.
  var options: [String: String] = [:]
  /// Short names of options.
  var aliases: [String: String] = [:]
  var examples: [String] = []
  /// What the operands may be, for completion.
  var words: [String] = []
  /// What it exits with if its words are not understood.
  var usageExit = ExitCode.usage
  /// It says itself what is wrong with the configuration.
  var judgesConfiguration = false
  let run: @Sendable (CommandInput) -> Int32

  var usage: String { "pmctl \(name)" + (form.isEmpty ? "" : " \(form)") }

  /// Every command may name the configuration that tells where the supervisor's socket is.
  static let configurationOption = "--configuration"

  static var all: [Command] {
    supervision + questions + attestation + orders + coreCommands + receiptCommands + backups
      + clientCommands + own
  }

  /// The command that the words begin with, and the words after its name.
  static func find(_ words: [String]) -> (command: Command, rest: [String])? {
    for command in all {
      let name = command.name.split(separator: " ").map(String.init)
      if words.starts(with: name) { return (command, Array(words.dropFirst(name.count))) }
    }
    return nil
  }
}

/// Why the words of a command were not understood.
enum UsageError: Error {
  case unknownOption(String)
  case missingValue(String)
  case missingOperand(String)
  case tooManyOperands(String)
  case badValue(String, String)

  var text: String {
    switch self {
    case .unknownOption(let name): "unknown option \(name)"
    case .missingValue(let name): "\(name) needs a value"
    case .missingOperand(let name): "\(name) is missing"
    case .tooManyOperands(let word): "unexpected word \(word)"
    case .badValue(let name, let value): "\(value) is not a value of \(name)"
    }
  }
}

/// The words of one call, read by the description of its command.
struct CommandInput: Sendable {
  private(set) var operands: [String] = []
  private(set) var flags: Set<String> = []
  private(set) var values: [String: String] = [:]
  let world: World

  init(_ words: [String], of command: Command, in world: World = .real) throws(UsageError) {
    self.world = world
    var rest = words[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("-"), word != "-" else {
        operands.append(word)
        continue
      }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = command.aliases[String(parts[0])] ?? String(parts[0])
      let takesValue = command.options[name] != nil || name == Command.configurationOption
      if takesValue {
        let value = parts.count == 2 ? String(parts[1]) : rest.popFirst()
        guard let value else { throw .missingValue(name) }
        values[name] = value
      } else if command.flags.contains(word) {
        flags.insert(word)
      } else {
        throw .unknownOption(word)
      }
    }
    let least = command.operands.count - (command.mayLackLastOperand ? 1 : 0)
    if operands.count < least { throw .missingOperand(command.operands[operands.count]) }
    if operands.count > command.operands.count {
      throw .tooManyOperands(operands[command.operands.count])
    }
  }

  /// The same call, of a command that has none.
  var withoutOperands: CommandInput {
    var copy = self
    copy.operands = []
    return copy
  }

  func has(_ flag: String) -> Bool { flags.contains(flag) }
  subscript(_ option: String) -> String? { values[option] }
}
