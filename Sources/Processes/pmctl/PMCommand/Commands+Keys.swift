internal import PMHTTP
internal import PMJSON
internal import PMSupervisor
internal import PMSystem
internal import PMWire

/// Commands that ask core. They work on the live store and need no supervisor.
extension Command {
  static let coreCommands: [Command] =
    keyCommands + [usageCommand] + priceCommands + limitCommands + alarmCommands

  private static let creationAliases = [
    "-d": "--description", "-e": "--expires-days", "-r": KeyTerm.limit(.requests).option,
  ]

  private static var keyCommands: [Command] {
    [
      creation("keys create", "Make a key and print its secret, once."),
      creation("keys generate", "The same, by the name of the predecessor's key tool."),
      Command(
        name: "keys change", summary: "Change members of a key; those not named stay.",
        form: "ID [OPTIONS] [--json]", operands: ["ID"], flags: ["--json"],
        options: termOptions.merging(["--description": "TEXT", "--expires-at": "TIME"]) { $1 },
        aliases: ["-d": "--description", "-r": KeyTerm.limit(.requests).option],
        examples: [
          "pmctl keys change n8n-1 --day-budget-eur 2.50 --allowed-models gpt-oss-120b",
          "pmctl keys change n8n-1 --day-budget-eur none --allowed-models all",
        ], run: changeKey),
      Command(
        name: "keys list", summary: "List all keys, without secrets.",
        form: "[--owner TEXT] [--tag TEXT] [--json]", flags: ["--json"],
        options: ["--owner": "TEXT", "--tag": "TEXT"],
        examples: ["pmctl keys list", "pmctl keys list --tag search"], run: listKeys),
      onKey("keys show", "Show one key.", { .showKey($0) }) { $0.details },
      onKey("keys revoke", "Disable a key at once; enable lifts it.", { .revokeKey($0) }) {
        "Key \($0.id) has been revoked."
      },
      onKey("keys enable", "Enable a revoked key again.", { .enableKey($0) }) {
        "Key \($0.id) has been enabled."
      },
      onKey("keys delete", "Remove a key for good; its usage stays.", { .deleteKey($0) }) { _ in
        "The key has been deleted."
      },
      onKey("keys adopt", "Move a key of the predecessor's file into the store.", { .adoptKey($0) })
      {
        "Key \($0.id) is kept in the store now."
      },
      Command(
        name: "keys rotate", summary: "Give a key a new secret; its id and history stay.",
        form: "ID [-e, --expires-days N] [--overlap-hours N] [OPTIONS] [--json]",
        operands: ["ID"], flags: ["--json"],
        options: [
          "--expires-days": "N", "--overlap-hours": "N", "--overlap-seconds": "N",
          "--reason": "TEXT",
        ],
        aliases: ["-e": "--expires-days"],
        examples: ["pmctl keys rotate n8n-1 --overlap-hours 24"], run: rotateKey),
      Command(
        name: "keys import", summary: "Take over keys from an api_keys.json of the predecessor.",
        form: "FILE [--dry-run] [--skip-refused] [--json]", operands: ["FILE"],
        flags: ["--dry-run", "--skip-refused", "--json"],
        examples: ["pmctl keys import api_keys.json --dry-run"], run: importKeys),
    ]
  }

  private static func creation(_ name: String, _ summary: String) -> Command {
    Command(
      name: name, summary: summary,
      form: "[-d, --description TEXT] [-e, --expires-days N] [-r, --rate-limit N] [OPTIONS]",
      flags: ["--json"],
      options: termOptions.merging(["--description": "TEXT", "--expires-days": "N"]) { $1 },
      aliases: creationAliases,
      examples: [
        "pmctl \(name) -d \"n8n\" -e 365 -r 60",
        "pmctl \(name) --owner Ada --tags search,test --allowed-networks 10.0.0.0/8",
      ], run: createKey)
  }

  private static var termOptions: [String: String] {
    Dictionary(uniqueKeysWithValues: KeyTerm.allCases.map { ($0.option, $0.form) })
      .merging(["--reason": "TEXT"]) { $1 }
  }

  private static func onKey(
    _ name: String, _ summary: String, _ act: @escaping @Sendable (String) -> CoreControl.Act,
    _ say: @escaping @Sendable (KeyView) -> String
  ) -> Command {
    Command(
      name: name, summary: summary, form: "ID [--json]", operands: ["ID"], flags: ["--json"],
      examples: ["pmctl \(name) n8n-1"]
    ) { input in
      perform(input, act(input.operands[0]), key: input.operands[0]) { say(KeyView($0)) }
    }
  }

  // MARK: Runs

  @Sendable private static func createKey(_ input: CommandInput) -> Int32 {
    do throws(UsageError) {
      var members = input.terms
      members["description"] = input["--description"].map { .string($0) }
      members["expires_days"] = try input.count("--expires-days")
      let new = try CoreControl.NewKey.read(members, of: input)
      return perform(input, .createKey, body: new.json) { KeyView($0).created }
    } catch {
      return wrong(error)
    }
  }

  @Sendable private static func changeKey(_ input: CommandInput) -> Int32 {
    do throws(UsageError) {
      var members = input.terms
      members["description"] = input["--description"].map { .string($0) }
      members["expires_at"] = input["--expires-at"].map { $0 == "none" ? .null : .string($0) }
      let change = try CoreControl.KeyChange.read(members, of: input)
      let id = input.operands[0]
      return perform(input, .changeKey(id), key: id, body: change.json) { KeyView($0).details }
    } catch {
      return wrong(error)
    }
  }

  @Sendable private static func rotateKey(_ input: CommandInput) -> Int32 {
    do throws(UsageError) {
      var members = JSONObject()
      members["expires_days"] = try input.count("--expires-days")
      members["overlap_hours"] = try input.count("--overlap-hours", from: 0)
      members["overlap_seconds"] = try input.count("--overlap-seconds", from: 0)
      members["reason"] = input["--reason"].map { .string($0) }
      let rotation = try CoreControl.Rotation.read(members, of: input)
      let id = input.operands[0]
      return perform(input, .rotateKey(id), key: id, body: rotation.json) { KeyView($0).rotated }
    } catch {
      return wrong(error)
    }
  }

  @Sendable private static func listKeys(_ input: CommandInput) -> Int32 {
    perform(input, .listKeys, narrow: { input.matching($0) }) { answer in
      let keys = answer["keys"]?.array ?? []
      if keys.isEmpty { return "No API keys configured." }
      let texts = keys.map { KeyView($0).text } + ["Total: \(keys.count) keys"]
      return texts.joined(separator: "\n\n")
    }
  }

  /// The file is read with the rights of the caller; core gets its bytes.
  @Sendable private static func importKeys(_ input: CommandInput) -> Int32 {
    let path = input.operands[0]
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try FileIO.read(path, bytesMax: CoreControl.bodyBytesMax)
    } catch {
      Terminal.error(
        error.call == .tooLong
          ? "Error: \(path) is longer than \(CoreControl.bodyBytesMax) bytes."
          : "Error: \(path) cannot be read (errno \(error.number)).")
      return ExitCode.failed
    }
    var query: [String] = []
    if input.has("--dry-run") { query.append("\(CoreControl.dryRun)=1") }
    if input.has("--skip-refused") { query.append("\(CoreControl.skipRefused)=1") }
    guard
      let answer = CoreClient(input).ask(
        .importKeys, query: query.joined(separator: "&"), body: bytes)
    else { return noCore(input) }
    guard let report = CoreControl.ImportReport(answer.document) else { return refused(answer) }
    Terminal.line(input.has("--json") ? report.json.text : text(of: report))
    return answer.isGood ? ExitCode.done : ExitCode.failed
  }

  private static func text(of report: CoreControl.ImportReport) -> String {
    var lines = [
      report.isApplied ? "Imported." : "Nothing was changed.",
      "New: \(report.new)", "Equal: \(report.equal)", "Changed: \(report.changed)",
      "Refused: \(report.refused.count)",
    ]
    for (word, remarks) in [("Refused", report.refused), ("Notice", report.notices)] {
      for remark in remarks {
        lines.append(
          "\(word): entry \(remark.position), key \(remark.keyID ?? "?"): \(remark.reason)")
      }
    }
    return lines.joined(separator: "\n")
  }

  // MARK: Asking core

  static func perform(
    _ input: CommandInput, _ act: CoreControl.Act, key: String? = nil, query: String = "",
    body: JSONValue? = nil, narrow: (JSONValue) -> JSONValue = { $0 },
    _ text: (JSONValue) -> String
  ) -> Int32 {
    if let key, KeyID(key) == nil { return wrong(.badValue("ID", key)) }
    guard let answer = CoreClient(input).ask(act, query: query, body: body?.utf8 ?? []) else {
      return noCore(input)
    }
    guard answer.isGood else { return refused(answer, key: key) }
    let document = narrow(answer.document)
    Terminal.line(input.has("--json") ? document.text : text(document))
    return ExitCode.done
  }

  static func noCore(_ input: CommandInput) -> Int32 {
    let folder = ControlClient.runtimeDirectory(input)
    Terminal.error(
      "Error: core does not answer at \(folder)/\(SocketName.coreControl); see: pmctl status")
    return ExitCode.noAnswer
  }

  static func refused(_ answer: HTTPConversation.Answer, key: String? = nil) -> Int32 {
    let error = answer.document["error"]
    if answer.status == 404, let key {
      Terminal.error("Error: Key ID '\(key)' not found.")
    } else {
      Terminal.error("Error: \(error?["message"]?.string ?? "core answered \(answer.status)")")
    }
    return ExitCode.failed
  }

  static func wrong(_ error: UsageError) -> Int32 {
    Terminal.error("pmctl: \(error.text)")
    return ExitCode.usage
  }
}

extension KeyTerm {
  /// The member's name with dashes.
  var option: String { "--" + name.replacing("_", with: "-") }
}

extension CoreControl.Body {
  /// What was typed, judged by the rules of core before core is asked.
  fileprivate static func read(
    _ members: JSONObject, of input: CommandInput
  ) throws(UsageError) -> Self {
    do throws(CoreControl.Fault) {
      return try Self(body: JSONValue.object(members).utf8)
    } catch {
      let option = "--" + error.member.replacing("_", with: "-")
      throw .badValue(option, input[option] ?? "")
    }
  }
}

extension CommandInput {
  /// The terms of a key that were named, and the reason.
  fileprivate var terms: JSONObject {
    var members = JSONObject()
    for term in KeyTerm.allCases { members[term.name] = self[term.option].map(term.json) }
    members["reason"] = self["--reason"].map { .string($0) }
    return members
  }

  /// The keys of a listing that were asked for.
  fileprivate func matching(_ listing: JSONValue) -> JSONValue {
    let keys = (listing["keys"]?.array ?? []).filter { key in
      (self["--owner"].map { key["owner"] == .string($0) } ?? true)
        && (self["--tag"].map { key["tags"]?.array?.contains(.string($0)) == true } ?? true)
    }
    return ["keys": .array(keys)]
  }

  /// A number; nil if the option is absent.
  fileprivate func count(
    _ option: String, from least: Int64 = 1
  ) throws(UsageError) -> JSONValue? {
    guard let text = self[option] else { return nil }
    guard let number = Int64(text), number >= least else { throw .badValue(option, text) }
    return .integer(number)
  }
}
