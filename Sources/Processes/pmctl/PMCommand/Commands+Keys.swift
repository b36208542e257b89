internal import PMHTTP
internal import PMJSON
internal import PMSupervisor
internal import PMSystem
internal import PMWire

/// Commands that ask core. They work on the live store and need no supervisor.
extension Command {
  static let coreCommands: [Command] = keyCommands + [usageCommand]

  private static let creationOptions = [
    "--description": "TEXT", "--expires-days": "N", "--rate-limit": "N",
  ]
  private static let creationAliases = [
    "-d": "--description", "-e": "--expires-days", "-r": "--rate-limit",
  ]

  private static var keyCommands: [Command] {
    [
      creation("keys create", "Make a key and print its secret, once."),
      creation("keys generate", "The same, by the name of the predecessor's key tool."),
      Command(
        name: "keys list", summary: "List all keys, without secrets.", form: "[--json]",
        flags: ["--json"], examples: ["pmctl keys list"], run: listKeys),
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
        form: "ID [-e, --expires-days N] [--overlap HOURS] [--json]", operands: ["ID"],
        flags: ["--json"], options: ["--expires-days": "N", "--overlap": "HOURS"],
        aliases: ["-e": "--expires-days"],
        examples: ["pmctl keys rotate n8n-1 --overlap 24"], run: rotateKey),
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
      form: "[-d, --description TEXT] [-e, --expires-days N] [-r, --rate-limit N] [--json]",
      flags: ["--json"], options: creationOptions, aliases: creationAliases,
      examples: ["pmctl \(name) -d \"n8n\" -e 365 -r 60"], run: createKey)
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
      var new = CoreControl.NewKey()
      new.description = input["--description"] ?? ""
      new.expiresDays = try input.count("--expires-days")
      if let limit = try input.count("--rate-limit") { new.limits[.requests] = .set(limit) }
      return perform(input, .createKey, body: new.json) { KeyView($0).created }
    } catch {
      return wrong(error)
    }
  }

  @Sendable private static func rotateKey(_ input: CommandInput) -> Int32 {
    do throws(UsageError) {
      var rotation = CoreControl.Rotation()
      rotation.expiresDays = try input.count("--expires-days")
      rotation.overlapSeconds = (try input.count("--overlap") ?? 0) * 3600
      let id = input.operands[0]
      return perform(input, .rotateKey(id), key: id, body: rotation.json) { KeyView($0).rotated }
    } catch {
      return wrong(error)
    }
  }

  @Sendable private static func listKeys(_ input: CommandInput) -> Int32 {
    perform(input, .listKeys) { answer in
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
    body: JSONValue? = nil, _ text: (JSONValue) -> String
  ) -> Int32 {
    if let key, KeyID(key) == nil { return wrong(.badValue("ID", key)) }
    guard let answer = CoreClient(input).ask(act, query: query, body: body?.utf8 ?? []) else {
      return noCore(input)
    }
    guard answer.isGood else { return refused(answer, key: key) }
    let document = answer.document
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

extension CommandInput {
  /// A number from 1; nil if the option is absent.
  fileprivate func count(_ option: String) throws(UsageError) -> Int64? {
    guard let text = self[option] else { return nil }
    guard let number = Int64(text), number >= (option == "--overlap" ? 0 : 1) else {
      throw .badValue(option, text)
    }
    return number
  }
}
