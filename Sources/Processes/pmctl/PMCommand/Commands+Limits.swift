internal import PMJSON
internal import PMWire

/// Commands about the limits of all keys together, and of the vendor.
extension Command {
  static var limitCommands: [Command] {
    [
      Command(
        name: "limits show", summary: "Show the limits of all keys together, and of the vendor.",
        form: "[--json]", flags: ["--json"], examples: ["pmctl limits show"]
      ) { input in
        perform(input, .readSettings) { limitsText($0) }
      },
      Command(
        name: "limits set",
        summary: "Set one of them; none returns it to the configuration.",
        form: "LIMIT VALUE [--reason TEXT] [--json]", operands: ["LIMIT", "VALUE"],
        flags: ["--json"], options: ["--reason": "TEXT"],
        examples: [
          "pmctl limits set month-budget-eur 250", "pmctl limits set vendor-requests-per-minute 40",
        ], run: setLimit),
    ]
  }

  @Sendable private static func setLimit(_ input: CommandInput) -> Int32 {
    let (name, typed) = (input.operands[0], input.operands[1])
    guard let setting = CoreControl.Setting(rawValue: name.underscored) else {
      return wrong(.badValue("LIMIT", name))
    }
    var body: JSONObject = [setting.rawValue: value(typed)]
    body["reason"] = input["--reason"].map { .string($0) }
    return perform(input, .changeSettings, body: .object(body)) { limitsText($0) }
  }

  private static func value(_ typed: String) -> JSONValue {
    switch typed {
    case "none": .null
    case "true", "false": .bool(typed == "true")
    default: Int64(typed).map { .integer($0) } ?? .string(typed)
    }
  }

  /// One limit to a line, as `limits set` takes it.
  static func limitsText(_ answer: JSONValue) -> String {
    let rows = CoreControl.Setting.allCases.map { setting in
      let value = answer[setting.rawValue] ?? .null
      return [setting.rawValue.dashed, value.isNull ? "none" : value.string ?? value.text]
    }
    return Columns.lines(rows).joined(separator: "\n")
  }
}

extension String {
  fileprivate var underscored: String { String(map { $0 == "-" ? "_" : $0 }) }
  fileprivate var dashed: String { String(map { $0 == "_" ? "-" : $0 }) }
}
