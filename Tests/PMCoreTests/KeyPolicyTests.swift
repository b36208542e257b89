import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

struct KeyPolicyTests {
  private let terms: JSONObject = [
    "owner": "Ada", "tags": ["team:search", "b"], "allowed_models": ["gpt-oss-120b"],
    "allowed_endpoints": ["chat", "embeddings"], "allowed_networks": ["10.0.0.0/8", "::1/128"],
    "prompt_cache": false, "rate_limit": 3, "tokens_per_minute": 4, "concurrent_requests": 5,
    "day_budget_eur": "0.25", "month_budget_eur": 6, "budget_warning_percent": 70,
  ]

  @Test("Limits and lists are kept; a change touches what it names, null returns it")
  func life() throws {
    let bench = try Bench(Scratch())
    let id = bench.ask("POST", "/keys", .object(terms)).json["key_id"]?.string ?? ""
    let made = try #require(bench.accounts.keys.record(id)?.details)
    #expect(made.limits.dayBudget == 250_000_000 && made.limits.monthBudget == 6_000_000_000)
    #expect(made.policy.routes == RouteSet([Route.chat, .embeddings]))
    #expect(try Bench(bench.scratch.image()).accounts.keys.record(id)?.details == made)

    let changed = bench.ask(
      "PATCH", "/keys/\(id)", ["tags": ["c"], "allowed_models": .null, "day_budget_eur": .null])
    var expected = made
    (expected.policy.tags, expected.policy.models) = (["c"], nil)
    expected.limits.dayBudget = nil
    #expect(changed.status == 200)
    #expect(bench.accounts.keys.record(id)?.details == expected)
    #expect(try Bench(bench.scratch.image()).accounts.keys.record(id)?.details == expected)

    // One member at fault, and nothing is changed.
    #expect(bench.ask("PATCH", "/keys/\(id)", ["owner": "Eve", "tags": [""]]).status == 422)
    #expect(bench.accounts.keys.record(id)?.details == expected)
    let audit = try #require(bench.ask("GET", "/audit").json["audit"]?.array?.first)
    #expect(
      audit["changes"] == [
        "day_budget_eur": .null, "day_budget_nano_euro": .null, "allowed_models": .null,
        "renamed": ["tags"],
      ])
  }

  @Test("Nothing that names a holder outlives the key")
  func wiped() throws {
    let bench = try Bench(Scratch())
    let id = bench.ask("POST", "/keys", .object(terms)).json["key_id"]?.string ?? ""
    _ = bench.ask("PATCH", "/keys/\(id)", ["owner": "Ada L", "description": "of Ada"])
    #expect(bench.ask("DELETE", "/keys/\(id)").status == 204)
    let audit = bench.ask("GET", "/audit").json.text
    #expect(audit.contains("renamed") && !audit.contains("Ada") && !audit.contains("search"))
    let rows = try bench.reader().prepare(
      """
      SELECT count(*) FROM key WHERE coalesce(owner, tags, models, endpoints, networks,
        tokens_per_minute, concurrent_requests, day_budget, month_budget, warning_percent) IS NULL
      """)
    #expect(try rows.step() && rows.integer(0) == 1)
  }

  @Test("A list of the ledger that cannot be read is damage, never a list that allows all")
  func unreadable() throws {
    for (column, text) in [("models", "["), ("networks", "[\"10.0.0.0/99\"]"), ("tags", "[1]")] {
      let bench = try Bench(Scratch())
      _ = bench.ask("POST", "/keys", .object(terms))
      bench.close()
      let image = try bench.scratch.image()
      do {
        let database = try Database(path: image.file(LedgerSchema.fileName))
        try database.execute("UPDATE key SET \(column) = '\(text)'")
      }
      #expect(throws: AccountsError.store(.damaged)) { try Bench(image) }
    }
  }

  @Test("What a file says of a key leaves what it cannot say as it is")
  func imported() throws {
    let bench = try Bench(Scratch())
    func file(_ limit: Int) -> [UInt8] {
      let entry = #"{"key_id": "a", "key": "a-plaintext-of-good-length", "rate_limit": \#(limit)}"#
      return Array(#"{"keys": [\#(entry)]}"#.utf8)
    }
    _ = bench.ask("POST", "/keys/import", bytes: file(1))
    _ = bench.ask("PATCH", "/keys/a", .object(terms))
    let before = try #require(bench.accounts.keys.record("a")?.details)
    #expect(bench.ask("POST", "/keys/import", bytes: file(9)).json["changed"] == 1)
    var expected = before
    expected.limits.requests = 9
    expected.createdAt = try #require(bench.accounts.keys.record("a")?.details.createdAt)
    #expect(bench.accounts.keys.record("a")?.details == expected)
  }

  @Test("A list speaks of what costs money; without a list all is allowed, with an empty one none")
  func routes() {
    var policy = KeyPolicy()
    for route in Route.allCases { #expect(policy.allows(route)) }
    policy.routes = RouteSet([Route.chat])
    for route in Route.allCases {
      #expect(policy.allows(route) == (route == .chat || !route.isPost), "\(route)")
    }
    policy.routes = []
    for route in Route.allCases { #expect(policy.allows(route) == !route.isPost) }
  }

  @Test("An address counts only if it is known, and in a network of its own family")
  func networks() throws {
    var policy = KeyPolicy()
    #expect(policy.allows(nil as InternetAddress?))
    policy.networks = try ["10.0.0.0/8", "2001:db8::/32"].map { try #require(InternetNetwork($0)) }
    for (text, isAllowed) in [
      ("10.9.9.9", true), ("::ffff:10.9.9.9", true), ("2001:db8::1", true), ("11.0.0.1", false),
      ("2001:db9::1", false), ("::1", false), ("::10.9.9.9", false),
    ] {
      #expect(policy.allows(InternetAddress(text)) == isAllowed, "\(text)")
    }
    #expect(!policy.allows(nil as InternetAddress?))
    policy.networks = []
    #expect(!policy.allows(InternetAddress("10.9.9.9")))
  }

  @Test("A model is allowed by its name or by what the name means, to the byte")
  func models() {
    var policy = KeyPolicy()
    func allows(_ name: String, _ meaning: String) -> Bool {
      policy.allows(model: Array(name.utf8), meaning: meaning)
    }
    #expect(allows("any", "unlisted"))
    policy.models = ["gpt-oss-120b", "fast"]
    #expect(allows("gpt-oss-120b", "gpt-oss-120b") && allows("alias", "gpt-oss-120b"))
    #expect(allows("fast", "other"))
    for name in ["gpt-oss-120", "gpt-oss-120b ", "GPT-OSS-120B", "", "gpt-oss-120b\u{0}"] {
      #expect(!allows(name, "unlisted"), "\(name)")
    }
    policy.models = []
    #expect(!allows("gpt-oss-120b", "gpt-oss-120b"))
  }

  @Test("Two secrets live at most: the old one closes at its second, and is gone from the entry")
  func rotation() throws {
    let bench = try Bench(Scratch())
    let made = bench.ask("POST", "/keys").json
    let (id, first) = (made["key_id"]?.string ?? "", made["key"]?.string ?? "")
    #expect(made["secrets"] == [["closes_at": .null]])
    let turned = bench.ask("POST", "/keys/\(id)/rotate", ["overlap_seconds": 60]).json
    let second = turned["key"]?.string ?? ""
    let ends = try #require(turned["secrets"]?.array)
    let end = try #require(WallTime(json: ends.last?["closes_at"] ?? .null))
    #expect(ends.count == 2 && ends.first?["closes_at"] == .null)
    let last = WallTime(microseconds: end.microseconds - 1)
    #expect(bench.check(first, at: last).word == "valid \(id)")
    #expect(bench.check(first, at: end).word == "expired \(id)")
    #expect(bench.check(second, at: end).word == "valid \(id)")
    let details = try #require(bench.accounts.keys.record(id)?.details)
    #expect(details.entry(at: last).secretEnds == [nil, end])
    #expect(details.entry(at: end).secretEnds == [nil])

    // A third would cut the first off before its time; without an overlap that is what is meant.
    let refused = bench.ask("POST", "/keys/\(id)/rotate", ["overlap_seconds": 1])
    #expect(refused.status == 409 && refused.errorCode == "overlap_under_way")
    #expect(bench.check(first).word == "valid \(id)" && bench.check(second).word == "valid \(id)")
    var rotation = CoreControl.Rotation()
    rotation.overlapSeconds = 1
    let later = try bench.accounts.register.rotate(id, rotation, at: end).details
    #expect(later.liveSecrets(at: end).count == 2 && later.secrets.count == 2)
    let third = bench.ask("POST", "/keys/\(id)/rotate").json["key"]?.string ?? ""
    #expect(bench.check(first).word == "unknown" && bench.check(second).word == "unknown")
    #expect(bench.check(third).word == "valid \(id)")
  }

  @Test("Unknown secrets, whatever they are, leave nothing behind")
  func unknown() throws {
    let bench = try Bench(Scratch())
    _ = bench.ask("POST", "/keys")
    for number in 0..<10_000 {
      #expect(bench.check("pm_\(number)_\(String(repeating: "x", count: number % 600))").isUnknown)
    }
    #expect(bench.accounts.keys.count == 1 && bench.accounts.keys.takeUses().isEmpty)
  }
}

extension KeyCheck {
  fileprivate var isUnknown: Bool { if case .unknown = self { true } else { false } }
}

struct HolderDeskTests {
  private let now = WallTime(seconds: 1_800_000_000)

  @Test(arguments: ["today", "yesterday", "week", "month", "year", "all"])
  func aPeriodIsAWord(_ word: String) {
    #expect(HolderDesk.period("period=\(word)", at: now) == UsagePeriod(word, at: now))
  }

  @Test func aPeriodIsTwoTimes() {
    let period = HolderDesk.period("start=2026-01-01&end=2026-02-01T00%3A00:00Z", at: now)
    #expect(period?.start.civil.date == "2026-01-01" && period?.end.civil.date == "2026-02-01")
    #expect(HolderDesk.period("", at: now) == UsagePeriod("month", at: now))
  }

  @Test(arguments: [
    "period", "period=", "period=decade", "key_id=key_1", "period=day&key_id=key_1", "start=1",
    "end=2", "start=2&end=1", "start=1&end=1", "start=a&end=b", "period=all&start=1&end=2",
    "period=%zz", "period=all&period=%ff", "x", "=", "format=csv&period=all",
    "period=all&" + String(repeating: "&", count: 200),
  ])
  func otherQueriesAreRefused(_ query: String) {
    #expect(HolderDesk.period(query, at: now) == nil)
  }

  @Test("A key has one question at a time, and is told of itself alone")
  func oneAtATime() throws {
    let bench = try Bench(Scratch())
    let ids = (0..<2).map { _ in bench.ask("POST", "/keys").json["key_id"]?.string ?? "" }
    let keys = try ids.map { try #require(bench.accounts.keys.record($0)) }
    let row = ReservationRow(
      id: RequestID(at: .now(), random: (1, 2)), key: keys[1].row, model: .unlisted, route: .chat,
      reservedNanoEuro: 5, price: 0, priceTable: 1)
    _ = bench.commit([.reserve(row, token: 1)])
    let desk = try HolderDesk(ledgerPath: bench.accounts.ledgerPath, in: bench.loop)
    var answers: [HolderDesk.Answer] = []
    for key in [keys[0], keys[0], keys[1]] {
      desk.answer("", of: key, at: .now()) { answers.append($0) }
    }
    guard case .error(let busy)? = answers.first else { throw HolderFault.noAnswer }
    #expect(answers.count == 1 && busy.status == 429 && busy.retryAfterSeconds == 1)
    bench.turn(until: { answers.count == 3 })
    let open = answers.dropFirst().map { answer -> JSONValue? in
      guard case .response(let response) = answer else { return nil }
      return response.json["open_requests"]
    }
    #expect(open == [0, 1])
    desk.answer("", of: keys[0], at: .now()) { answers.append($0) }
    bench.turn(until: { answers.count == 4 })
    guard case .response = answers[3] else { throw HolderFault.noAnswer }
  }

  private enum HolderFault: Error { case noAnswer }
}
