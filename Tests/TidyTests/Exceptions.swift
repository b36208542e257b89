/// Exceptions that are not written in the code they are about, each with its reason.
enum Exceptions {
  static let textInErrors: [String: String] = [
    "Sources/Wire/PMWire/Configuration/ConfigurationError.swift":
      "the operator's own file is at fault, and only the operator's terminal shows its words",
    "Sources/Processes/pmctl/PMCommand/Command.swift":
      "the operator's own words, told back to the terminal they were typed at",
    "Sources/Processes/pm-core/PMCore/Keys/KeyFileEntry.swift":
      "the name of a member of ours, never its value; it goes into the report of an import",
    "Sources/Wire/PMWire/CoreControl/CoreControl.swift":
      "the member names of a closed table; only the administrator who typed the body sees them",
  ]
}
