import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

struct ControlKeyTests {
  @Test("A key is on disk before its secret is shown, and only its keyed digest is")
  func create() throws {
    let bench = try Bench(Scratch())
    let answer = bench.ask(
      "POST", "/keys", ["description": "n8n", "expires_days": 30, "rate_limit": 5])
    #expect(answer.status == 201)
    let entry = try #require(CoreControl.KeyEntry(answer.json))
    let secret = try #require(entry.secret)
    #expect(secret.hasPrefix("pm_") && secret.utf8.count == 63)
    #expect(
      secret.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
          || $0 == 0x5F || $0 == 0x2D
      })
    #expect(entry.id == "key_\(secret.dropFirst(3).prefix(16))" && entry.limits.requests == 5)
    #expect(entry.description == "n8n" && entry.status == .enabled && entry.source == "store")
    let life = try #require(entry.expiresAt).microseconds - entry.createdAt.microseconds
    #expect(life == 30 * 86_400 * 1_000_000)
    #expect(bench.check(secret).word == "valid \(entry.id)")
    // Killed right after the answer, the key is there; neither it nor its SHA-256 is in any file.
    let image = try bench.scratch.image()
    #expect(try Bench(image).check(secret).word == "valid \(entry.id)")
    for name in image.names {
      let bytes = try FileIO.read(image.file(name), bytesMax: 1 << 24)
      #expect(!bytes.contains(Array(secret.utf8)) && !bytes.contains(Array(secret.utf8.suffix(43))))
    }
    #expect(bench.ask("GET", "/keys/\(entry.id)").json["key"] == nil)
  }

  @Test("100 keys: all secrets and ids distinct; the list has them all and no secret")
  func distinct() throws {
    let bench = try Bench(Scratch())
    var secrets: Set<String> = []
    for _ in 0..<100 { secrets.insert(bench.ask("POST", "/keys").json["key"]?.string ?? "") }
    #expect(secrets.count == 100)
    let list = try #require(bench.ask("GET", "/keys").json["keys"]?.array)
    let ids = Set(list.compactMap { $0["key_id"]?.string })
    #expect(ids.count == 100 && list.allSatisfy { $0["key"] == nil && $0["key_hash"] == nil })
  }

  @Test("Only who has the secret learns that a key is off or expired")
  func states() throws {
    let bench = try Bench(Scratch())
    let entry = try #require(
      CoreControl.KeyEntry(bench.ask("POST", "/keys", ["expires_days": 1]).json))
    let secret = try #require(entry.secret)
    let expiry = try #require(entry.expiresAt)
    #expect(
      bench.check(secret, at: WallTime(microseconds: expiry.microseconds - 1)).word.hasPrefix(
        "valid"))
    #expect(bench.check(secret, at: expiry).word == "expired \(entry.id)")
    var wrong = Array(secret.utf8)
    wrong[62] = wrong[62] == 0x41 ? 0x42 : 0x41
    for other in [
      String(decoding: wrong, as: UTF8.self), "", "pm_", String(repeating: "x", count: 600),
    ] {
      #expect(bench.check(other, at: expiry).word == "unknown")
    }
    let revoked = bench.ask("POST", "/keys/\(entry.id)/revoke", ["reason": "lost"])
    #expect(revoked.json["status"] == "disabled" && revoked.json["revoked_at"] != .null)
    #expect(bench.check(secret).word == "disabled \(entry.id)")
    #expect(try Bench(bench.scratch.image()).check(secret).word == "disabled \(entry.id)")
    #expect(bench.ask("POST", "/keys/\(entry.id)/enable").json["revoked_at"] == .null)
    #expect(bench.check(secret).word == "valid \(entry.id)")
    #expect(bench.ask("DELETE", "/keys/\(entry.id)").status == 204)
    #expect(bench.check(secret).word == "unknown")
    #expect(bench.ask("GET", "/keys/\(entry.id)").status == 404)
  }

  @Test("A deleted key leaves its bare id, and nothing that names its holder")
  func wiped() throws {
    let bench = try Bench(Scratch())
    let id =
      bench.ask("POST", "/keys", ["description": "Ada Lovelace"]).json["key_id"]?.string ?? ""
    _ = bench.ask("DELETE", "/keys/\(id)")
    let reader = try bench.reader()
    let row = try reader.prepare("SELECT id, description FROM key WHERE deleted_at IS NOT NULL")
    #expect(try row.step() && row.text(0) == id && row.text(1) == "")
    #expect(try reader.integer("SELECT count(*) FROM secret") == 0)
    #expect(bench.ask("GET", "/usage?key_id=\(id)").status == 200)
    #expect(bench.ask("GET", "/usage?key_id=never").status == 422)
  }

  @Test("Rotation keeps the id; the old secret closes by itself")
  func rotate() throws {
    let bench = try Bench(Scratch())
    let made = bench.ask("POST", "/keys", ["expires_days": 10]).json
    let (id, old) = (made["key_id"]?.string ?? "", made["key"]?.string ?? "")
    let turned = bench.ask("POST", "/keys/\(id)/rotate", ["overlap_hours": 2])
    let new = try #require(turned.json["key"]?.string)
    #expect(turned.json["key_id"]?.string == id && new != old)
    let now = WallTime.now()
    let later = WallTime(seconds: now.seconds + 2 * 3600 + 5)
    #expect(bench.check(old).word == "valid \(id)" && bench.check(new).word == "valid \(id)")
    #expect(bench.check(old, at: later).word == "expired \(id)")
    #expect(bench.check(new, at: later).word == "valid \(id)")
    // The overlap survives a restart.
    let after = try Bench(bench.scratch.image())
    #expect(
      after.check(old).word == "valid \(id)" && after.check(old, at: later).word == "expired \(id)")
    // At most two secrets live; without overlap only the newest does.
    let third = bench.ask("POST", "/keys/\(id)/rotate").json["key"]?.string ?? ""
    #expect(bench.check(old).word == "unknown" && bench.check(new).word == "unknown")
    #expect(bench.check(third).word == "valid \(id)")
    let life = try #require(
      WallTime(json: bench.ask("GET", "/keys/\(id)").json["expires_at"] ?? .null))
    #expect(abs(life.seconds - now.seconds - 10 * 86_400) < 60)
  }

  @Test("Members change together or not at all, and the answer names the one at fault")
  func change() throws {
    let bench = try Bench(Scratch())
    let id = bench.ask("POST", "/keys").json["key_id"]?.string ?? ""
    let changed = bench.ask(
      "PATCH", "/keys/\(id)",
      ["rate_limit": 7, "description": "new", "expires_at": "2030-01-01T00:00:00Z"])
    #expect(changed.json["rate_limit"] == 7 && changed.json["description"] == "new")
    #expect(changed.json["expires_at"] == .decimal("1893456000.0"))
    let cases: [(JSONValue, String)] = [
      (["rate_limit": 0], "rate_limit"), (["rate_limit": "5"], "rate_limit"),
      (["description": "a\nb"], "description"), (["expires_at": "never"], "expires_at"),
      (["rate_limit": 3, "color": 1], "color"),
    ]
    for (body, member) in cases {
      let refused = bench.ask("PATCH", "/keys/\(id)", body)
      #expect(refused.status == 422 && refused.json["error"]?["param"]?.string == member)
    }
    #expect(bench.ask("PATCH", "/keys/\(id)", bytes: Array("{".utf8)).status == 400)
    #expect(bench.ask("GET", "/keys/\(id)").json["rate_limit"] == 7)
    #expect(bench.ask("PATCH", "/keys/\(id)", ["rate_limit": .null]).json["rate_limit"] == .null)
    #expect(bench.ask("PATCH", "/keys/none", ["rate_limit": 5]).status == 404)
    #expect(bench.ask("POST", "/keys", ["expires_days": 36_501]).status == 422)
  }

  @Test("Every change leaves an audit row that names the key by id only")
  func audit() throws {
    let bench = try Bench(Scratch())
    let made = bench.ask("POST", "/keys", ["reason": "for n8n"]).json
    let (id, secret) = (made["key_id"]?.string ?? "", made["key"]?.string ?? "")
    for verb in ["revoke", "enable", "rotate"] { _ = bench.ask("POST", "/keys/\(id)/\(verb)") }
    _ = bench.ask("PATCH", "/keys/\(id)", ["rate_limit": 3])
    _ = bench.ask("DELETE", "/keys/\(id)")
    let rows = try #require(bench.ask("GET", "/audit").json["audit"]?.array)
    #expect(
      rows.map { $0["action"]?.string } == [
        "delete", "change", "rotate", "enable", "revoke", "create",
      ])
    #expect(rows.allSatisfy { $0["target"]?.string == id && $0["actor"] == "administrator" })
    #expect(rows.last?["reason"] == "for n8n")
    #expect(!JSONValue.array(rows).text.contains(secret))
    // What one change leaves is what the next one finds.
    #expect(rows.first?["after"] == .null && rows.last?["before"] == .null)
    for (later, earlier) in zip(rows, rows.dropFirst()) {
      #expect(later["before"]?.string?.utf8.count == 64 && later["before"] == earlier["after"])
    }
    // A key that was revoked and enabled is the one that it was.
    #expect(Set(rows.compactMap { $0["after"]?.string }).count == 4)
    #expect(rows[3]["before"] != rows[3]["after"] && rows[3]["after"] == rows[5]["after"])
    #expect(
      bench.ask("GET", "/audit?limit=2&before=\(rows[1]["row"]?.text ?? "")").json["audit"]?.array?
        .count == 2)
  }

  @Test("The day of the last use is kept")
  func lastUsed() throws {
    let bench = try Bench(Scratch())
    let made = bench.ask("POST", "/keys").json
    let (id, secret) = (made["key_id"]?.string ?? "", made["key"]?.string ?? "")
    #expect(bench.ask("GET", "/keys/\(id)").json["last_used"] == .null)
    let day = WallTime(seconds: 1_800_000_000)
    for _ in 0..<3 { _ = bench.check(secret, at: day) }
    let uses = bench.accounts.keys.takeUses()
    #expect(uses.count == 1)
    _ = bench.commit(uses.map { .use($0) })
    #expect(bench.ask("GET", "/keys/\(id)").json["last_used"] == "2027-01-15")
    bench.close()
    #expect(
      try Bench(bench.scratch.image()).ask("GET", "/keys/\(id)").json["last_used"] == "2027-01-15")
  }
}

struct ControlImportTests {
  private let file = """
    {"keys": [
      {"key_id": "team", "api_key": "a-plaintext-of-good-length", "name": "Team"},
      {"key_id": "bad", "key": "b-plaintext-of-good-length", "rate_limit": "many"},
      {"key_id": "other", "key": "c-plaintext-of-good-length", "rate_limit": 5}
    ]}
    """

  private func send(_ bench: Bench, _ text: String, _ query: String = "") -> ControlResponse {
    bench.ask("POST", "/keys/import\(query)", bytes: Array(text.utf8))
  }

  @Test("One refusal keeps everything out, unless refused entries are to be skipped")
  func allOrNothing() throws {
    let bench = try Bench(Scratch())
    let refused = send(bench, file)
    let report = try #require(CoreControl.ImportReport(refused.json))
    #expect(refused.status == 409 && !report.isApplied && report.new == 2)
    #expect(
      report.refused == [.init(position: 1, keyID: "bad", reason: "bad_rate_limit")])
    #expect(bench.accounts.keys.count == 0)
    #expect(CoreControl.ImportReport(send(bench, file, "?dry_run=1").json)?.isApplied == false)
    #expect(bench.accounts.keys.count == 0)
    let done = CoreControl.ImportReport(send(bench, file, "?skip_refused=1").json)
    #expect(done?.isApplied == true && done?.new == 2 && bench.accounts.keys.count == 2)
    #expect(bench.check("a-plaintext-of-good-length").word == "valid team")
    #expect(
      try Bench(bench.scratch.image()).check("c-plaintext-of-good-length").word == "valid other")
  }

  @Test("Again with the same file nothing is new; changed members are taken; conflicts refused")
  func again() throws {
    let bench = try Bench(Scratch())
    let first =
      #"{"keys": [{"key_id": "a", "key": "a-plaintext-of-good-length", "created_at": 5}]}"#
    _ = send(bench, first)
    let equal = try #require(CoreControl.ImportReport(send(bench, first).json))
    #expect(equal.new == 0 && equal.equal == 1 && equal.changed == 0 && equal.isApplied)
    let changed = send(
      bench,
      """
      {"keys": [{"key_id": "a", "key": "a-plaintext-of-good-length", "created_at": 5,
        "rate_limit": 9}]}
      """
    )
    #expect(changed.json["changed"] == 1)
    #expect(bench.ask("GET", "/keys/a").json["rate_limit"] == 9)
    let conflicts = send(
      bench,
      """
      {"keys": [{"key_id": "a", "key": "z-plaintext-of-good-length"},
        {"key_id": "b", "key": "a-plaintext-of-good-length"}]}
      """
    )
    #expect(
      CoreControl.ImportReport(conflicts.json)?.refused.map(\.reason)
        == ["key_id_in_use_with_another_secret", "secret_in_use_by_another_key"])
    #expect(send(bench, "[]").status == 422)
  }

  @Test("A deleted id that comes back goes on with its history")
  func history() throws {
    let bench = try Bench(Scratch())
    let text = #"{"keys": [{"key_id": "a", "key": "a-plaintext-of-good-length"}]}"#
    _ = send(bench, text)
    let row = bench.accounts.keys.record("a")?.row
    _ = bench.ask("DELETE", "/keys/a")
    _ = send(bench, text)
    #expect(bench.accounts.keys.record("a")?.row == row)
    #expect(bench.check("a-plaintext-of-good-length").word == "valid a")
  }
}

struct ControlRightsTests {
  @Test("Strangers get nothing; the admin pages may not import")
  func roles() throws {
    let bench = try Bench(Scratch())
    #expect(bench.ask("GET", "/keys", uid: 999_999).status == 403)
    #expect(bench.ask("GET", "/keys", uid: 4242).status == 200)
    #expect(bench.ask("POST", "/keys", uid: 4242).status == 201)
    #expect(bench.ask("PUT", "/settings", ["rate_limit_requests": 5], uid: 4242).status == 200)
    #expect(bench.ask("POST", "/keys/import", uid: 4242).status == 403)
    #expect(bench.ask("POST", "/prices", ["model": "m", "input": 1], uid: 4242).status == 201)
    let audit = bench.ask("GET", "/audit?limit=1").json["audit"]?.array?.first
    #expect(audit?["action"] == "price" && audit?["actor"] == "page" && audit?["target"] == "m")
  }

  @Test("Every act is found by its own method and path, and by no other's")
  func acts() {
    let acts: [CoreControl.Act] = [
      .listKeys, .createKey, .importKeys, .showKey("a.b"), .changeKey("a"), .deleteKey("a"),
      .revokeKey("a"), .enableKey("a"), .rotateKey("a"), .adoptKey("import"), .readSettings,
      .changeSettings, .readUsage, .readRows, .listPrices, .addPrice, .readAudit, .readStatus,
      .listAlarms, .acknowledgeAlarm(7), .exportUsage, .verifyLedger, .readMetrics,
    ]
    for act in acts {
      let (found, methods) = CoreControl.Act.find(method: act.method, path: act.path)
      #expect(found == act && methods.contains(act.method))
    }
    #expect(Set(acts.map { "\($0.method) \($0.path)" }).count == acts.count)
  }

  @Test("Unknown paths and methods")
  func paths() throws {
    let bench = try Bench(Scratch())
    for path in ["/", "", "/nothing", "/keys/a/b/c", "/keys/a/nothing", "/usage/none"] {
      #expect(bench.ask("GET", path).status == 404, "\(path)")
    }
    let refused = bench.ask("DELETE", "/keys")
    #expect(refused.status == 405 && refused.allowedMethods == ["GET", "POST"])
    #expect(bench.ask("GET", "/usage?period=%zz").status == 400)
  }
}

struct ControlSettingsTests {
  @Test("Limits of all keys, of the vendor and on models without a price are settings as well")
  func limitsOfAll() throws {
    let bench = try Bench(Scratch())
    let change: JSONValue = [
      "tokens_per_minute": 5000, "concurrent_requests": 7, "day_budget_eur": "12.5",
      "month_budget_eur": 100, "budget_warning_percent": 50, "refuse_unpriced": true,
      "vendor_requests_per_minute": 0,
    ]
    #expect(bench.ask("PUT", "/settings", change).status == 200)
    let image = try Bench(bench.scratch.image())
    for bench in [bench, image] {
      let answer = bench.ask("GET", "/settings").json
      #expect(answer["tokens_per_minute"] == 5000 && answer["day_budget_eur"] == "12.50")
      #expect(answer["refuse_unpriced"] == true && answer["vendor_requests_per_minute"] == 0)
      let limits = bench.accounts.admission.global.limits
      #expect(limits.dayBudget == 12_500_000_000 && limits.monthBudget == 100_000_000_000)
      #expect(limits.concurrentRequests == 7 && limits.warningPercent == 50)
      #expect(bench.accounts.admission.share.limits[.requests] == 0)
    }
    let wrong: [(String, JSONValue)] = [
      ("tokens_per_minute", 0), ("day_budget_eur", -1), ("day_budget_eur", "1e3"),
      ("refuse_unpriced", 1), ("vendor_requests_per_minute", -1), ("budget_warning_percent", 101),
      ("day_budget_nano_euro", 5),
    ]
    for (member, value) in wrong {
      let change = JSONValue.object(JSONObject([.init(member, value)]))
      #expect(bench.ask("PUT", "/settings", change).status == 422, "\(member)")
    }
  }

  @Test("Saved limits override the configuration member by member, at once and for good")
  func settings() throws {
    let bench = try Bench(Scratch())
    var told: RequestWindow?
    bench.accounts.settings.onAddressLimit = { told = $0 }
    let saved = bench.ask(
      "PUT", "/settings", ["rate_limit_requests": 2, "ip_rate_limit_window": 30])
    let expected: JSONValue = [
      "rate_limit_requests": 2, "rate_limit_window": 60, "ip_rate_limit_requests": 1000,
      "ip_rate_limit_window": 30, "tokens_per_minute": .null, "concurrent_requests": .null,
      "day_budget_eur": .null, "month_budget_eur": .null, "budget_warning_percent": .null,
      "refuse_unpriced": false, "vendor_requests_per_minute": 20,
      "vendor_prompt_tokens_per_minute": 200_000, "vendor_completion_tokens_per_minute": 20_000,
      "vendor_cached_tokens_per_minute": 500_000, "vendor_audio_seconds_per_minute": 6000,
    ]
    #expect(saved.json == expected)
    #expect(bench.accounts.admission.global.limits.requests == 2)
    #expect(told == RequestWindow(requests: 1000, seconds: 30))
    let after = try Bench(bench.scratch.image())
    #expect(after.ask("GET", "/settings").json == expected)
    #expect(after.accounts.admission.global.limits.requests == 2)
    // Several values are saved together or not at all.
    let refused = bench.ask("PUT", "/settings", ["rate_limit_requests": 9, "rate_limit_window": 0])
    #expect(refused.status == 422 && bench.ask("GET", "/settings").json == expected)
    #expect(
      bench.ask("PUT", "/settings", ["rate_limit_requests": .null]).json["rate_limit_requests"]
        == 100)
  }
}

struct ControlUsageTests {
  /// Two keys, two models, two routes, yesterday and today.
  private func fill(_ bench: Bench) throws -> [String] {
    var ids: [String] = []
    for _ in 0..<2 { ids.append(bench.ask("POST", "/keys").json["key_id"]?.string ?? "") }
    let rows = ids.compactMap { bench.accounts.keys.record($0)?.row }
    let chat = try #require(bench.accounts.models.index(of: "gpt-oss-120b"))
    let audio = try #require(bench.accounts.models.index(of: "whisper-large-v3"))
    let now = WallTime.now()
    let yesterday = WallTime(seconds: now.startOfDay.seconds - 3600)
    var token: UInt64 = 0
    func request(
      _ key: Int64, _ model: ModelIndex, _ route: Route, _ time: WallTime, _ usage: Usage,
      _ cost: Int64?, _ state: RequestState = .settled
    ) {
      let id = RequestID(at: time, random: (.random(in: .min ... .max), token))
      token += 2
      _ = bench.commit([
        .reserve(
          ReservationRow(
            id: id, key: key, model: model, route: route, reservedNanoEuro: cost, price: 1,
            priceTable: 1), token: token),
        .settle(
          SettlementRow(
            id: id, state: state, usage: usage, costNanoEuro: cost, reservedNanoEuro: cost,
            status: 200, firstByteMilliseconds: 1, totalMilliseconds: 2), token: token + 1),
      ])
    }
    let tokens = Usage(prompt: 10, cached: 4, output: 20, source: .upstream)
    var sound = Usage()
    (sound.audioMilliseconds, sound.bytes, sound.source) = (60_000, 1000, .upstream)
    request(rows[0], chat, .chat, yesterday, tokens, 1_500_000_000)
    request(rows[0], chat, .chat, now, tokens, 250_000_000)
    request(rows[1], audio, .transcriptions, now, sound, 14_000_000)
    request(rows[1], chat, .chat, now, tokens, nil)
    request(rows[1], chat, .chat, now, Usage(), 0, .released)
    return ids
  }

  @Test("Sums by model, endpoint, key and day, with euro as text beside the integer")
  func summary() throws {
    let bench = try Bench(Scratch())
    let ids = try fill(bench)
    let all = bench.ask("GET", "/usage?period=all").json
    #expect(all["requests"] == 4 && all["total_tokens"] == 90 && all["total_audio_bytes"] == 1000)
    #expect(all["total_cost_eur"] == "1.764" && all["total_cost_nano_euro"] == 1_764_000_000)
    #expect(all["unpriced_requests"] == 1 && all["released_requests"] == 1)
    let chat = all["by_model"]?["gpt-oss-120b"]
    #expect(chat?["tokens"] == 90 && chat?["cost"] == "1.75" && chat?["requests"] == 3)
    #expect(all["by_endpoint"]?["transcriptions"]?["audio_bytes"] == 1000)
    #expect(all["by_key"]?[ids[1]]?["requests"] == 2)
    #expect(all["daily"]?.array?.count == 2)
    let today = bench.ask("GET", "/usage?period=today").json
    #expect(today["requests"] == 3 && today["total_cost_nano_euro"] == 264_000_000)
    let yesterday = bench.ask("GET", "/usage?period=yesterday").json
    #expect(yesterday["requests"] == 1 && yesterday["daily"]?.array?.first?["cost_eur"] == "1.50")
    let one = bench.ask("GET", "/usage?period=all&key_id=\(ids[0])").json
    #expect(one["requests"] == 2 && one["by_key"]?.object?.members.count == 1)
    let empty = bench.ask("GET", "/usage?start=2020-01-01&end=2020-01-02").json
    #expect(empty["requests"] == 0 && empty["total_cost_eur"] == "0.00")
  }

  @Test("Rows by the page, as JSON and as CSV")
  func rows() throws {
    let bench = try Bench(Scratch())
    let ids = try fill(bench)
    var seen: [String] = []
    var after = ""
    while true {
      let page = bench.ask("GET", "/usage/rows?period=all&limit=2\(after)").json
      seen += (page["rows"]?.array ?? []).compactMap { $0["request_id"]?.string }
      guard let next = page["next"]?.string else { break }
      after = "&after=\(next)"
    }
    #expect(seen.count == 5 && Set(seen).count == 5 && seen == seen.sorted())
    let rows = bench.ask("GET", "/usage/rows?period=all&key_id=\(ids[0])").json["rows"]?.array
    let row = try #require(rows?.first)
    #expect(row["prompt_tokens"] == 10 && row["cached_tokens"] == 4 && row["endpoint"] == "chat")
    #expect(row["state"] == "settled" && row["usage_source"] == "upstream" && row["status"] == 200)
    let csv = String(
      decoding: bench.ask("GET", "/usage/rows?period=all&format=csv").bytes, as: UTF8.self)
    let lines = csv.split(separator: "\r\n")
    #expect(lines.count == 6 && lines[0].hasPrefix("request_id,time,key_id,model"))
    #expect(
      lines.allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == 21 })
    #expect(bench.ask("GET", "/usage/rows?limit=0").status == 422)
    #expect(bench.ask("GET", "/usage/rows?after=x").status == 422)
  }
}
