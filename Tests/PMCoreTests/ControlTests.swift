import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

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
