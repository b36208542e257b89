internal import PMHTTP
internal import PMJSON
internal import PMSystem
internal import PMWire

extension Command {
  private static let periods = ["today", "yesterday", "week", "month", "year", "all"]
  private static let formats = ["text", "json", "csv"]
  private static let groups = ["day", "key", "model", "endpoint"]

  static let usageCommand = Command(
    name: "usage", summary: "Show requests, tokens and cost of a period, or export them.",
    form: """
      [--period WORD | --start TIME --end TIME] [--key ID] [--by GROUP[,GROUP]] \
      [--format WORD | --json | --csv]
      """, flags: ["--json", "--csv"],
    options: [
      "--period": periods.joined(separator: "|"), "--start": "TIME", "--end": "TIME",
      "--key": "ID", "--by": groups.joined(separator: "|"),
      "--format": formats.joined(separator: "|"),
    ],
    examples: [
      "pmctl usage --period month", "pmctl usage --by key,model --format csv > november.csv",
      "pmctl usage --by day --start 2026-11-01 --end 2026-12-01",
      "pmctl usage --key n8n-1 --csv > rows.csv",
    ],
    words: periods, run: showUsage)

  @Sendable private static func showUsage(_ input: CommandInput) -> Int32 {
    do throws(UsageError) {
      let query = try usageQuery(input)
      let format = try usageFormat(input)
      let act = try usageAct(input, format)
      guard format == "csv" else {
        let isJSON = format == "json"
        return perform(input, act, query: query) { answer in
          if isJSON { return answer.text }
          return act == .readUsage ? UsageView(answer).text : UsageExportView(answer).text
        }
      }
      guard let answer = CoreClient(input).ask(act, query: query + "&format=csv") else {
        return noCore(input)
      }
      guard answer.isGood else { return refused(answer) }
      FileIO.writeStandard(answer.body, to: 1)
      return ExitCode.done
    } catch {
      return wrong(error)
    }
  }

  /// Without groups, comma-separated values are those of single requests.
  private static func usageAct(
    _ input: CommandInput, _ format: String
  ) throws(UsageError) -> CoreControl.Act {
    guard let by = input["--by"] else { return format == "csv" ? .readRows : .readUsage }
    let words = by.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard words.allSatisfy(groups.contains) else { throw .badValue("--by", by) }
    return .exportUsage
  }

  private static func usageFormat(_ input: CommandInput) throws(UsageError) -> String {
    let format = input["--format"] ?? (input.has("--json") ? "json" : "text")
    guard formats.contains(format) else { throw .badValue("--format", format) }
    return input.has("--csv") ? "csv" : format
  }

  private static func usageQuery(_ input: CommandInput) throws(UsageError) -> String {
    var parts: [String] = []
    if input["--start"] != nil || input["--end"] != nil {
      for option in ["--start", "--end"] {
        guard let text = input[option] else { throw .missingValue(option) }
        guard WallTime(rfc3339: text) != nil else { throw .badValue(option, text) }
        parts.append("\(option.dropFirst(2))=\(text)")
      }
    } else {
      let period = input["--period"] ?? "month"
      guard periods.contains(period) else { throw .badValue("--period", period) }
      parts.append("period=\(period)")
    }
    if let key = input["--key"] {
      guard KeyID(key) != nil else { throw .badValue("--key", key) }
      parts.append("key_id=\(key)")
    }
    if let by = input["--by"] { parts.append("by=\(by)") }
    return parts.joined(separator: "&")
  }
}
