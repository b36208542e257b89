import PMJSON
import PMSupervisor
import PMSystem
import PMWire
import Testing

@testable import PMCommand

@Suite struct CommandTests {
  private func command(_ name: String) throws -> Command {
    try #require(Command.all.first { $0.name == name })
  }

  @Test func everyCommandHasHelpAndANameOfItsOwn() {
    let names = Command.all.map(\.name)
    #expect(Set(names).count == names.count)
    for command in Command.all {
      #expect(command.summary.hasSuffix("."), "\(command.name)")
      #expect(Help.overview.contains(command.name))
      #expect(Help.page(command).contains("Usage: pmctl \(command.name)"))
      let words = command.name.split(separator: " ").map(String.init)
      #expect(PMCommand.run(["pmctl"] + words + ["--help"]) == ExitCode.done)
    }
  }

  @Test(arguments: [
    [], ["nonsense"], ["status", "--nonsense"], ["status", "extra"], ["why"], ["why", "sshd"],
    ["restart"], ["restart", "sshd"], ["restart", "edge", "--timeout"],
    ["restart", "edge", "--timeout", "0"], ["completion", "tcsh"], ["ask"], ["ask", "sshd", "x"],
    ["keys"], ["keys", "nonsense"], ["keys", "show"], ["keys", "show", "a/b"],
    ["keys", "create", "-e", "0"], ["keys", "create", "-r", "x"], ["usage", "--period", "decade"],
    ["usage", "--by", "hour"], ["usage", "--by", "day,"], ["usage", "--format", "xml"],
    ["usage", "--start", "2026-11-01"], ["usage", "--start", "x", "--end", "2026-11-01"],
    ["keys", "change"], ["keys", "change", "a", "--allowed-networks", "10.0.0.0/33"],
    ["keys", "change", "a", "--allowed-endpoints", "images"],
    ["keys", "create", "--day-budget-eur", "1,50"], ["keys", "create", "--prompt-cache", "maybe"],
    ["keys", "create", "--expires-at", "2030-01-01"], ["keys", "rotate", "a", "--overlap", "1"],
    ["keys", "rotate", "a", "--overlap-hours", "1", "--overlap-seconds", "1"],
    ["keys", "rotate", "a", "--overlap-hours", "-1"],
    ["prices"], ["prices", "add"], ["prices", "add", "m", "--input", "1,5"],
    ["prices", "add", "m", "--input", "0.0000001"], ["prices", "add", "m", "--from", "soon"],
    ["limits"], ["limits", "set"], ["limits", "set", "no-such-limit", "1"],
    ["limits", "set", "day-budget-eur"],
    ["alarms"], ["alarms", "acknowledge"], ["alarms", "acknowledge", "x"],
  ])
  func wrongWordsExitWith2(_ words: [String]) {
    #expect(PMCommand.run(["pmctl"] + words) == ExitCode.usage)
  }

  @Test func withoutASupervisorStatusExitsWith4() throws {
    let path = "/tmp/pm-command-\(OwnProcess.pid).json"
    let text = #"{"profile":"development","runtimeDirectory":"/nonexistent"}"#
    try FileIO.replace(path, with: Array(text.utf8), mode: 0o600)
    defer { OwnProcess.unlink(path) }
    let code = PMCommand.run(["pmctl", "status", "--configuration", path])
    #expect(code == ExitCode.noAnswer)
  }

  /// An order must not go to another supervisor because the name of a file was misspelled.
  @Test(arguments: ["status", "reload", "stop"])
  func aFileThatIsNoneIsNoReasonToAskAnother(_ name: String) {
    let words = ["pmctl", name] + (name == "stop" ? ["all"] : [])
    let code = PMCommand.run(words + ["--configuration", "/nonexistent/a.json"])
    #expect(code == ExitCode.configuration)
  }

  @Test func theKeyToolOfThePredecessorIsUnderstood() throws {
    let (create, rest) = try #require(Command.find(["keys", "generate", "-d", "n8n", "-e=3"]))
    let input = try CommandInput(rest, of: create)
    #expect(input["--description"] == "n8n")
    #expect(input["--expires-days"] == "3")
    #expect(PMCommand.run(["/usr/bin/manage_keys", "list", "--nonsense"]) == ExitCode.usage)
  }

  @Test func aKeyIsShownWithTheLabelsOfThePredecessor() {
    let key: JSONValue = [
      "key_id": "a1", "description": "n8n", "status": "enabled", "created_at": 1_700_000_000,
      "expires_at": nil, "rate_limit": 60, "key": "pm_a1_secret",
    ]
    let lines = [
      "Key ID: a1", "API Key: pm_a1_secret", "Description: n8n", "Expires: never",
      "Rate Limit: 60 requests",
    ]
    #expect(KeyView(key).created == lines.joined(separator: "\n"))
    #expect(!KeyView(key).text.contains("secret"))
    #expect(KeyView(key).text.contains("Status: ENABLED\n"))
    #expect(KeyView(key).rotated.contains("New API Key: pm_a1_secret"))
  }

  /// Every member that can be set can be set here, under its own name.
  @Test(arguments: KeyTerm.allCases)
  func everyTermIsAnOption(_ term: KeyTerm) throws {
    for name in ["keys create", "keys generate", "keys change"] {
      let command = try command(name)
      #expect(command.options[term.option] == term.form)
      #expect(Help.page(command).contains("\(term.option) \(term.form)"))
    }
  }

  @Test func theDetailsOfAKeyAreShown() {
    let key: JSONValue = [
      "key_id": "a1", "status": "enabled", "tags": ["x", "y"], "owner": "", "prompt_cache": false,
      "allowed_models": .null, "allowed_networks": [], "day_budget_eur": "2.50",
      "tokens_per_minute": 7, "secrets": [["closes_at": .null], ["closes_at": 1_700_000_000]],
    ]
    let lines = KeyView(key).details.split(separator: "\n")
    for line in [
      "Tags: x, y", "Allowed networks: none", "Day budget eur: 2.50", "Tokens per minute: 7",
      "Prompt cache: off", "Old secret: works until 2023-11-14T22:13:20Z",
    ] { #expect(lines.contains(Substring(line)), "\(line)") }
    #expect(!lines.contains { $0.hasPrefix("Allowed models") || $0.hasPrefix("Owner") })
  }

  @Test func pricesAndAlarmsAreTables() {
    var price = CoreControl.PriceEntry(
      row: 3, model: "m", validFrom: WallTime(seconds: 0), standing: "operator", source: "us",
      isInForce: true)
    (price.terms.input, price.terms.perMinute) = (430_000, 14_000)
    let text = PriceView(prices: [price], table: 2, digest: "00ff").text
    let cells = text.split(separator: "\n").first { $0.hasPrefix("m ") }?.split(separator: " ")
    #expect(
      cells ?? [] == [
        "m", "1970-01-01T00:00:00Z", "0.43", "-", "-", "0.014", "-", "in", "force", "operator",
        "us",
      ])
    #expect(text.hasSuffix("Table 2, SHA-256 00ff"))
    #expect(PriceView.added(price) == "Price 3 of m from 1970-01-01T00:00:00Z: in force now.")
    var budget = CoreControl.AlarmEntry(row: 9, kind: "budget_near", since: WallTime(seconds: 0))
    budget.period = "2026-11"
    budget.acknowledgedAt = WallTime(seconds: 1)
    let lines = AlarmView(alarms: [budget]).text.split(separator: "\n")
    #expect(
      lines.last == "9       1970-01-01T00:00:00Z  budget_near  all keys, 2026-11  acknowledged")
    #expect(AlarmView(alarms: []).text == "There are no alarms.")
  }

  @Test func usageIsATable() {
    let text = UsageView([
      "period": "month", "start": "a", "end": "b", "requests": 3, "total_tokens": 12,
      "total_cost_eur": "0.10", "unsettled_requests": 1,
      "by_key": ["a1": ["requests": 3, "tokens": 12, "cost": "0.10"]], "by_model": [:],
    ]).text
    #expect(text.contains("a1   3         12      0.10"))
    #expect(text.contains("1 requests whose end was not seen"))
  }

  @Test func anExportIsATableWithItsTotal() {
    let sums: JSONObject = [
      "requests": 3, "prompt_tokens": 5, "cached_tokens": 4, "completion_tokens": 7,
      "cost_eur": "0.10",
    ]
    let groups: JSONObject = ["key_id": "a1", "model": "m"]
    let text = UsageExportView([
      "by": ["key", "model"], "rows": [.object(JSONObject(groups.members + sums.members))],
      "total": .object(sums),
    ]).text
    let lines = [
      "KEY_ID  MODEL  REQUESTS  TOKENS  EUR", "a1      m      3         12      0.10",
      "total          3         12      0.10",
    ]
    #expect(text == lines.joined(separator: "\n"))
  }

  @Test func aMissingConfigurationExitsWith78() {
    #expect(
      PMCommand.run(["pmctl", "check", "--configuration", "/nonexistent/a.json"])
        == ExitCode.configuration)
  }

  @Test func valuesAreTakenInBothForms() throws {
    let restart = try command("restart")
    for words in [["edge", "--timeout", "5"], ["--timeout=5", "edge"]] {
      let input = try CommandInput(words, of: restart)
      #expect(input.operands == ["edge"])
      #expect(input["--timeout"] == "5")
    }
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func completionKnowsEveryCommand(_ shell: String) throws {
    let script = try #require(Completion.script(for: shell))
    for command in Command.all {
      for word in command.name.split(separator: " ") { #expect(script.contains(word)) }
      for option in command.options.keys { #expect(script.contains(option), "\(option)") }
    }
  }

  static let status: JSONValue = [
    "overall": "degraded", "profile": "development", "gate": ["state": "not attested"],
    "listen": ["https": 8443, "http": 8080, "bound": true], "vendor_stand_in": true,
    "services": [
      [
        "service": "core", "state": "backing-off", "since_ms": 8000, "restarts": 4,
        "flapping": true, "last": "signal 11", "retry_in_ms": 4000,
      ],
      [
        "service": "edge", "state": "ready", "since_ms": 90_000_000, "restarts": 0,
        "flapping": false, "in_flight": 12, "sandbox": "9/9",
      ],
    ],
  ]

  @Test func statusSaysWhatMatters() {
    let text = StatusView(Self.status).text
    for word in [
      "not attested", "stand-in", "backing-off (flapping)", "SIGSEGV", "next try in 4s",
      "12 in flight", "9/9", "1d 01h", "8443 and 8080",
    ] { #expect(text.contains(word), "\(word)") }
  }

  @Test func metricsAreNamedLinesOfNumbers() {
    let lines = Metrics(Self.status).text.split(separator: "\n").map(String.init)
    #expect(lines.contains("privatemode_gate_open 0"))
    #expect(lines.contains("privatemode_service_restarts_total{service=\"core\"} 4"))
    #expect(lines.contains("privatemode_service_in_flight{service=\"edge\"} 12"))
    let samples = lines.filter { !$0.hasPrefix("#") }
    #expect(samples.allSatisfy { $0.split(separator: " ").count == 2 })
  }

  @Test func anEndIsToldInOneLine() {
    let text = DeathView([
      "time": 1_700_000_000, "generation": 3, "reason": "watchdog", "exit": "signal 9",
      "phase": "meter.write", "up_ms": 180_000, "in_flight": 7, "next_generation": 4,
      "waited_ms": 500, "ready_in_ms": 180,
    ]).text
    #expect(
      text == "2023-11-14T22:13:20Z  gen 3  watchdog (SIGKILL) in phase meter.write, up 3m, "
        + "7 in flight → gen 4 after 500 ms, ready in 180 ms")
  }
}

@Suite struct AskTests {
  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\n", 200), ("HTTP/1.0 404 Not Found\r\nX: y\r\n", 404),
    ("HTTP/1.1 503 \r\n", 503),
  ])
  func aStatusLineIsRead(_ text: String, _ code: Int) {
    #expect(Ask.statusCode(Array(text.utf8)) == code)
  }

  @Test(arguments: [
    "HTTP/1.1 200", "HTTP/1.1 200\r\n", "HTTP/2 200 OK\r\n", "200 OK\r\n", "HTTP/1.1 99 x\r\n",
    "HTTP/1.1 -20 x\r\n", "\r\n", "",
  ])
  func anythingElseIsNone(_ text: String) {
    #expect(Ask.statusCode(Array(text.utf8)) == nil)
  }

  @Test func theOwnerOfAListeningPortIsReadFromTheKernelsTable() {
    let line =
      "   0: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A "
      + "00000000:00000000 00:00000000 00000000   987        0 4242 1 0000000000000000 100 0 0 10 0"
    let head = "  sl  local_address remote_address st\n"
    #expect(PortOwner.uid(in: head + line, port: 8081) == 987)
    #expect(PortOwner.uid(in: head + line, port: 8082) == nil)
    let established = line.replacing(" 0A ", with: " 01 ")
    #expect(PortOwner.uid(in: head + established, port: 8081) == nil)
    #expect(PortOwner.uid(in: "", port: 8081) == nil)
  }

  @Test func theVendorLivesWhenItKnowsNoSuchPath() {
    #expect(Ask.accepts(404, from: .vendor))
    #expect(!Ask.accepts(200, from: .vendor))
    #expect(Ask.accepts(302, from: .admin))
    #expect(!Ask.accepts(503, from: .core))
  }
}
