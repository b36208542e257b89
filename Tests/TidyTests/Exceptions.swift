/// Exceptions that are not written in the code they are about, each with its reason.
enum Exceptions {
  static let textInErrors: [String: String] = [
    "Sources/Wire/PMWire/Configuration/ConfigurationError.swift":
      "the operator's own file is at fault, only the operator's terminal shows it, and its words help"
  ]
}
