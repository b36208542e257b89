import PMJSON
import PMSystem
import Seeded
import Testing

@testable import PMWire

/// What may be said of a key's limits and lists, and how it is read back.
@Suite struct KeyTermsTests {
  private func new(_ body: JSONValue) throws -> (KeyLimits, KeyPolicy) {
    let new = try CoreControl.NewKey(body: body.utf8)
    return (new.limits.applied(to: KeyLimits()), new.policy.applied(to: KeyPolicy()))
  }

  private func fault(_ member: String, _ value: JSONValue) -> CoreControl.Fault? {
    do throws(CoreControl.Fault) {
      _ = try CoreControl.KeyChange(body: JSONValue.object([member: value]).utf8)
      return nil
    } catch { return error }
  }

  @Test(arguments: [
    (.integer(0), 0), (.integer(12), 12_000_000_000), (.decimal("0.5"), 500_000_000),
    (.string("12.50"), 12_500_000_000), (.string("0.000000001"), 1),
    (.string("1000000"), 1_000_000_000_000_000),
    (.decimal("999999.999999999"), 999_999_999_999_999),
  ] as [(JSONValue, Int64)])
  func moneyIsReadExactly(_ value: JSONValue, _ nanoEuro: Int64) throws {
    let (limits, _) = try new(["day_budget_eur": value])
    #expect(limits.dayBudget == nanoEuro)
    let entry = JSONValue.object(JSONObject(limits.members))
    #expect(entry["day_budget_nano_euro"] == .integer(nanoEuro))
    #expect(KeyLimits(members: entry) == limits)
  }

  @Test(arguments: [
    .string(""), .string("."), .string("1."), .string(".5"), .string("-1"), .string("+1"),
    .string(" 1"), .string("1e3"), .decimal("1e3"), .decimal("0.0000000001"), .integer(-1),
    .integer(1_000_001), .decimal("1000000.000000001"), .string("9223372037"), .string("1,5"),
    .string("99999999999999999999"), .string("٣"), .bool(true), .array([]),
  ] as [JSONValue])
  func otherMoneyIsRefused(_ value: JSONValue) {
    #expect(fault("month_budget_eur", value)?.member == "month_budget_eur")
  }

  @Test func numbersAreTakenAtTheirEdgesOnly() throws {
    for member in KeyLimits.Member.allCases where !member.isMoney {
      let range = member.range
      for edge in [range.lowerBound, range.upperBound] {
        let (limits, _) = try new(.object([member.rawValue: .integer(edge)]))
        #expect(limits[member] == edge)
        #expect(member.value(of: String(edge)) == edge)
      }
      for beyond in [range.lowerBound - 1, range.upperBound + 1] {
        #expect(fault(member.rawValue, .integer(beyond))?.problem == .outOfRange(range))
      }
      for other: JSONValue in [.string("5"), .decimal("5.0"), .bool(true)] {
        #expect(fault(member.rawValue, other)?.problem == .wrongType)
      }
    }
  }

  @Test func listsAreBounded() throws {
    func texts(_ count: Int, _ length: Int = 1) -> JSONValue {
      .array((0..<count).map { .string("\($0)" + String(repeating: "x", count: length - 1)) })
    }
    let bounds: [(String, Int)] = [
      ("tags", KeyPolicy.tagsMax), ("allowed_models", KeyPolicy.modelsMax),
    ]
    for (member, countMax) in bounds {
      #expect(fault(member, texts(countMax)) == nil)
      #expect(fault(member, texts(countMax + 1))?.problem == .tooMany(countMax))
      #expect(fault(member, [""])?.problem == .wrongType)
      #expect(fault(member, ["a\nb"])?.problem == .wrongType)
      #expect(fault(member, ["a", 1])?.problem == .wrongType)
    }
    #expect(fault("tags", texts(1, KeyPolicy.tagCharactersMax)) == nil)
    #expect(fault("tags", texts(1, KeyPolicy.tagCharactersMax + 1))?.problem == .wrongType)
    let networks = (0..<65).map { JSONValue.string("10.\($0).0.0/16") }
    #expect(fault("allowed_networks", .array(Array(networks.dropLast()))) == nil)
    #expect(fault("allowed_networks", .array(networks))?.problem == .tooMany(64))
    for other: JSONValue in [["10.0.0.0/33"], ["localhost"], [1], "10.0.0.0/8"] {
      #expect(fault("allowed_networks", other)?.problem == .wrongType)
    }
    for other: JSONValue in [["images"], ["models"], ["Chat"], ["key"], [""]] {
      #expect(fault("allowed_endpoints", other)?.problem == .wrongType)
    }
    #expect(fault("owner", .string(String(repeating: "é", count: 128))) == nil)
    #expect(fault("owner", .string(String(repeating: "é", count: 129)))?.problem == .wrongType)
    #expect(fault("prompt_cache", "no")?.problem == .wrongType)
  }

  @Test func anEmptyListAllowsNoneAndNullAllowsAll() throws {
    let (_, none) = try new(["allowed_models": [], "allowed_endpoints": [], "allowed_networks": []])
    #expect(none.models == [] && none.routes == [] && none.networks == [])
    let (_, all) = try new([
      "allowed_models": .null, "allowed_endpoints": .null, "allowed_networks": .null,
    ])
    #expect(all == KeyPolicy())
  }

  /// Whatever is said arrives, and what is not said stays.
  @Test func changesAndEntriesAreReadAsTheyWereWritten() throws {
    var random = SeededRandom(seed: 4)
    for _ in 0..<200 {
      var change = CoreControl.KeyChange()
      change.limits = self.change(&random)
      func pick<Value>(_ value: Value) -> MemberChange<Value> {
        [.keep, .clear, .set(value)].randomElement(using: &random) ?? .keep
      }
      change.policy.owner = pick("Ada \"L\" é")
      change.policy.tags = pick(["a", "b=c", "😀"])
      change.policy.models = pick(["gpt-oss-120b", "a/b:c"])
      change.policy.routes = pick(RouteSet([Route.chat, .embeddings]))
      change.policy.networks = pick(["10.0.0.0/8", "2001:db8::/32"].compactMap { .init($0) })
      change.policy.usesPromptCache = pick(false)
      #expect(try CoreControl.KeyChange(body: change.json.utf8) == change)
      let entry = CoreControl.KeyEntry(
        id: "key_1", description: "", status: .enabled, isEnabled: true,
        createdAt: WallTime(seconds: 1), expiresAt: nil,
        limits: change.limits.applied(to: KeyLimits()),
        policy: change.policy.applied(to: KeyPolicy()), revokedAt: nil,
        rotatedAt: WallTime(seconds: 2), rotatedFrom: nil, rotatedTo: nil,
        secretEnds: [nil, WallTime(seconds: 3)], source: "store", isWeak: false, lastUsed: nil)
      #expect(CoreControl.KeyEntry(entry.json) == entry)
    }
  }

  private func change(_ random: inout SeededRandom) -> KeyLimits.Change {
    var change = KeyLimits.Change()
    for member in KeyLimits.Member.allCases {
      let range = member.range
      let unit = member.isMoney ? Euro.nano : 1
      let value = Int64.random(in: range.lowerBound...range.upperBound * unit, using: &random)
      change[member] = [.keep, .clear, .set(value)].randomElement(using: &random) ?? .keep
    }
    return change
  }

  @Test func anOverlapIsSaidInHoursOrInSeconds() throws {
    func rotation(_ body: JSONValue) throws -> CoreControl.Rotation {
      try CoreControl.Rotation(body: body.utf8)
    }
    #expect(try rotation(["overlap_hours": 2]).overlapSeconds == 7200)
    #expect(try rotation(["overlap_seconds": 3]).overlapSeconds == 3)
    #expect(try rotation([:]).overlapSeconds == 0)
    let year: Int64 = 8760 * 3600
    #expect(try rotation(["overlap_seconds": .integer(year)]).overlapSeconds == year)
    for body: JSONValue in [
      ["overlap_hours": 1, "overlap_seconds": 1], ["overlap_seconds": -1],
      ["overlap_seconds": .integer(year + 1)], ["overlap_hours": 8761],
    ] {
      #expect(throws: CoreControl.Fault.self) { try rotation(body) }
    }
  }
}
