import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

/// Prices as a caller of the control desk sees and sets them.
struct PriceDeskTests {
  @Test("An operator's price is in force at once and after a restart, and makes a new table")
  func prices() throws {
    let bench = try Bench(Scratch())
    let before = bench.ask("GET", "/prices").json
    let added = bench.ask(
      "POST", "/prices", ["model": "gpt-oss-latest-2", "input": 100, "output": 200, "source": "us"])
    #expect(added.status == 201 && added.json["standing"] == "operator")
    let now = WallTime.now()
    #expect(bench.accounts.prices.row(model: "gpt-oss-latest-2", at: now)?.input == 100)
    let after = bench.ask("GET", "/prices").json
    #expect(after["digest"] != before["digest"] && after["table"] == 2)
    let restarted = try Bench(bench.scratch.image())
    let again = restarted.ask("GET", "/prices").json
    #expect(again["digest"] == after["digest"] && again["table"] == 2)
    let models = try restarted.reader().integer(
      "SELECT count(*) FROM model WHERE name = 'gpt-oss-latest-2'")
    #expect(models == 1)
  }

  @Test(
    "A wrong price is refused by the name of its member",
    arguments: [
      (["model": "m"], "input"), (["input": 1], "model"), (["model": "a b", "input": 1], "model"),
      (["model": "openai/gpt-oss-120b", "input": 1], "model"),
      (["model": "m", "input": -1], "input"), (["model": "m", "input": .decimal("0.5")], "input"),
      (["model": "m", "input": 1_000_000_000_001], "input"),
      (["model": "m", "output": 1], "input"), (["model": "m", "cached": 1], "input"),
      (["model": "m", "per_minute": 1, "output": 1], "input"),
      (["model": "m", "input": 1, "per_minute": 1, "per_mb": 1], "per_mb"),
      (["model": "m", "input": 1, "valid_from": "soon"], "valid_from"),
      (["model": "m", "input": 1, "valid_to": "2026-01-01"], "valid_to"),
      (
        ["model": "m", "input": 1, "valid_from": "2026-01-02", "valid_to": "2026-01-02"],
        "valid_to"
      ), (["model": "m", "input": 1, "price": 1], "price"),
    ] as [(JSONValue, String)])
  func wrongPrices(_ body: JSONValue, _ member: String) throws {
    let bench = try Bench(Scratch())
    let refused = bench.ask("POST", "/prices", body)
    #expect(refused.status == 422 && refused.json["error"]?["param"] == .string(member))
    #expect(CoreControl.PriceList(bench.ask("GET", "/prices").json)?.table == 1)
  }

  @Test("Prices of the past and of times to come are in force when they say")
  func datedPrices() throws {
    let bench = try Bench(Scratch())
    func add(_ input: Int64, _ members: JSONObject) -> CoreControl.PriceEntry? {
      var body = members
      (body["model"], body["input"]) = ("m", .integer(input))
      return CoreControl.PriceEntry(bench.ask("POST", "/prices", .object(body)).json)
    }
    let later = ["valid_from": "9000-01-01"] as JSONObject
    #expect(add(1, later)?.isInForce == false)
    #expect(add(2, ["valid_from": "2026-01-01"])?.isInForce == true)
    // What is newer still counts, and an end in the past makes it a row of the past only.
    #expect(add(3, ["valid_from": "2025-01-01"])?.isInForce == false)
    #expect(add(4, ["valid_from": "2026-02-01", "valid_to": "2026-03-01"])?.isInForce == false)
    let prices = bench.accounts.prices
    func input(_ time: String) throws -> Int64? {
      prices.row(model: "m", at: try #require(WallTime(rfc3339: time)))?.input
    }
    #expect(try input("2024-12-31T23:59:59Z") == nil)
    #expect(try input("2025-06-01") == 3 && input("2026-01-01") == 2)
    #expect(try input("2026-02-01") == 4 && input("2026-03-01") == 2)
    #expect(try input("9000-01-01") == 1)
    let list = try #require(CoreControl.PriceList(bench.ask("GET", "/prices").json))
    let now = WallTime.now()
    #expect(list.current(at: now).filter { $0.model == "m" }.map(\.terms.input) == [2, 1])
    #expect(CoreControl.PriceList(list.json) == list && list.table == 5)
  }
}
