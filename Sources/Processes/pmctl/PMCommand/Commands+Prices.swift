internal import PMJSON
internal import PMSystem
internal import PMWire

/// Commands about prices, and about what core wants to be known.
extension Command {
  static var priceCommands: [Command] {
    [
      Command(
        name: "prices list", summary: "Show the prices in force, and those to come.",
        form: "[--json]", flags: ["--json"], examples: ["pmctl prices list"]
      ) { input in
        showPrices(input) { $0.current(at: .now()) }
      },
      Command(
        name: "prices history", summary: "Show every price that ever was, and who says so.",
        form: "[MODEL] [--json]", operands: ["MODEL"], mayLackLastOperand: true,
        flags: ["--json"], examples: ["pmctl prices history gpt-oss-120b"]
      ) { input in
        showPrices(input) { list in
          list.prices.filter { price in input.operands.allSatisfy { $0 == price.model } }
        }
      },
      Command(
        name: "prices add",
        summary: "Set a model's price from a time on; what was charged stays.",
        form: "MODEL [OPTIONS] [--json]", operands: ["MODEL"], flags: ["--json"],
        options: Dictionary(uniqueKeysWithValues: priceOptions.map { ($0, "EUR") })
          .merging(["--from": "TIME", "--to": "TIME", "--source": "TEXT", "--reason": "TEXT"]) {
            $1
          },
        examples: [
          "pmctl prices add gpt-oss-120b --input 0.43 --output 1.70 --cached 0.04",
          "pmctl prices add whisper-large-v3 --per-minute 0.014 --from 2027-01-01",
        ], run: addPrice),
    ]
  }

  static var alarmCommands: [Command] {
    [
      Command(
        name: "alarms list", summary: "Show what somebody should look at.",
        form: "[--all] [--json]", flags: ["--all", "--json"], examples: ["pmctl alarms list"],
        run: listAlarms),
      Command(
        name: "alarms acknowledge", summary: "Note that an alarm was seen.",
        form: "NUMBER [--reason TEXT] [--json]", operands: ["NUMBER"], flags: ["--json"],
        options: ["--reason": "TEXT"], examples: ["pmctl alarms acknowledge 3"],
        run: acknowledgeAlarm),
    ]
  }

  /// Euro for a million tokens, a minute, and 1 048 576 bytes.
  private static let priceOptions = ["--input", "--output", "--cached", "--per-minute", "--per-mb"]

  private static func showPrices(
    _ input: CommandInput, _ choose: (CoreControl.PriceList) -> [CoreControl.PriceEntry]
  ) -> Int32 {
    perform(input, .listPrices) { answer in
      guard let list = CoreControl.PriceList(answer) else { return answer.text }
      return PriceView(prices: choose(list), table: list.table, digest: list.digest).text
    }
  }

  @Sendable private static func addPrice(_ input: CommandInput) -> Int32 {
    do throws(UsageError) {
      var new = CoreControl.NewPrice(model: input.operands[0], source: input["--source"] ?? "")
      new.terms.input = try input.price("--input")
      new.terms.output = try input.price("--output")
      new.terms.cached = try input.price("--cached")
      new.terms.perMinute = try input.price("--per-minute")
      new.terms.perMegabyte = try input.price("--per-mb")
      new.validFrom = try input.time("--from")
      new.validTo = try input.time("--to")
      new.reason = input["--reason"]
      return perform(input, .addPrice, body: new.json) { answer in
        CoreControl.PriceEntry(answer).map { PriceView.added($0) } ?? answer.text
      }
    } catch {
      return wrong(error)
    }
  }

  @Sendable private static func listAlarms(_ input: CommandInput) -> Int32 {
    perform(input, .listAlarms) { answer in
      let alarms = (answer["alarms"]?.array ?? []).compactMap { CoreControl.AlarmEntry($0) }
      return AlarmView(alarms: input.has("--all") ? alarms : alarms.filter { !$0.isPast }).text
    }
  }

  @Sendable private static func acknowledgeAlarm(_ input: CommandInput) -> Int32 {
    guard let row = Int64(input.operands[0]), row > 0 else {
      return wrong(.badValue("NUMBER", input.operands[0]))
    }
    let body = CoreControl.Confirmation(reason: input["--reason"]).json
    return perform(input, .acknowledgeAlarm(row), body: body) { _ in
      "Alarm \(row) has been acknowledged."
    }
  }
}

extension CommandInput {
  fileprivate func price(_ option: String) throws(UsageError) -> Int64? {
    guard let text = self[option] else { return nil }
    guard let price = Euro.microEuro(text) else { throw .badValue(option, text) }
    return price
  }

  fileprivate func time(_ option: String) throws(UsageError) -> WallTime? {
    guard let text = self[option] else { return nil }
    guard let time = WallTime(json: .string(text)) else { throw .badValue(option, text) }
    return time
  }
}
