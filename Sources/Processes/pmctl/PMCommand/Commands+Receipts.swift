internal import PMAttest
internal import PMHTTP
internal import PMJSON
internal import PMSupervisor
internal import PMSystem
internal import PMVerify
internal import PMWire

/// Commands by which charges are checked: a receipt from outside, the ledger on the machine.
extension Command {
  static let receiptCommands: [Command] = [
    Command(
      name: "receipt verify",
      summary: "Check a receipt, and by saved evidence whose it is; nothing is asked.",
      form: "FILE [--evidence DIR [--at TIME] [EXPECTATIONS AS IN verify]] [--json]",
      operands: ["FILE"], flags: ["--require-crl", "--json"],
      options: expectationOptions.merging(savedOptions) { first, _ in first },
      examples: [
        "pmctl receipt verify receipt.json --evidence evidence",
        "pmctl receipt verify receipt.json --evidence evidence --expect-file release.json",
      ],
      usageExit: VerifyExit.usage, judgesConfiguration: true, run: verifyReceipt),
    Command(
      name: "ledger verify",
      summary: "Let core walk all rows of the ledger and of the audit, and check their chains.",
      form: "[--receipt FILE] [--json]", flags: ["--json"], options: ["--receipt": "FILE"],
      examples: ["pmctl ledger verify", "pmctl ledger verify --receipt receipt.json"],
      run: verifyLedger),
  ]

  // MARK: A receipt

  @Sendable private static func verifyReceipt(_ input: CommandInput) -> Int32 {
    do throws(VerifyInput.Fault) {
      let bytes = try VerifyInput.file(input.operands[0], "FILE")
      let appraisal = ReceiptAppraisal(bytes, evidence: try appraisedEvidence(input))
      Terminal.line(
        input.has("--json")
          ? JSONValue.object(appraisal.json).text : appraisal.lines.joined(separator: "\n"))
      return appraisal.verdict == .proven ? VerifyExit.good : VerifyExit.rejected
    } catch {
      Terminal.error("pmctl receipt verify: \(error.text)")
      return VerifyExit.usage
    }
  }

  /// Nil if none was named; then nothing may be expected of it either.
  private static func appraisedEvidence(
    _ input: CommandInput
  ) throws(VerifyInput.Fault) -> Appraisal? {
    guard input["--evidence"] != nil else {
      let names = (Array(expectationOptions.keys) + savedOptions.keys).sorted()
      if let name = names.first(where: { input[$0] != nil }) { throw .lacking(name, "--evidence") }
      return nil
    }
    return try judgeSaved(input.withoutOperands)?.appraisal
  }

  // MARK: The ledger

  /// The row and head of a receipt are looked for on the way: a ledger that was replaced as a whole
  /// has them not.
  @Sendable private static func verifyLedger(_ input: CommandInput) -> Int32 {
    var query = ""
    if let path = input["--receipt"] {
      let bytes = (try? FileIO.read(path, bytesMax: ReceiptDocument.bytesMax)) ?? []
      let ledger = ReceiptDocument(bytes)?.receipt["ledger"]
      guard let index = ledger?["index"]?.integer, let head = ledger?["head"]?.string,
        head.utf8.count == 64
      else {
        Terminal.error("pmctl ledger verify: \(path) is no receipt")
        return ExitCode.usage
      }
      query = "row=\(index)&head=\(PrintableText.of(head))"
    }
    guard let answer = CoreClient(input).ask(.verifyLedger, query: query) else {
      return noCore(input)
    }
    guard answer.isGood else { return refused(answer) }
    let report = answer.document
    let isSound = report["is_sound"]?.boolean == true
    Terminal.line(input.has("--json") ? report.text : text(of: report, isSound))
    return isSound ? ExitCode.done : ExitCode.failed
  }

  private static func text(of report: JSONValue, _ isSound: Bool) -> String {
    func line(_ name: String, _ chain: JSONValue?) -> String {
      let walked =
        "\(name): \(chain?["rows"]?.integer ?? 0) rows, head \(chain?["head"]?.string ?? "?")"
      guard let fault = chain?["fault"], let what = fault["what"]?.string,
        let first = fault["first"]?.integer, let last = fault["last"]?.integer
      else { return walked }
      return walked + "\n  FAULT: \(what), rows \(first) to \(last)"
    }
    return [
      "Ledger \(report["id"]?.string ?? "?")", line("Requests", report["ledger"]),
      line("Audit", report["audit"]), isSound ? "The ledger is sound." : "The ledger is NOT sound.",
    ].joined(separator: "\n")
  }
}
