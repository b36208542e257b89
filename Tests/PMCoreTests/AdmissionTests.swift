import PMSystem
import PMWire
import Testing

@testable import PMCore

private let price = PriceRow(
  row: 1, model: "m", validFrom: .init(seconds: 0), input: 1_000_000, output: 2_000_000,
  standing: .operator, source: "")
private let noon = WallTime(seconds: 1_763_812_800)
private let now = Instant(nanoseconds: 1_000_000_000_000)

/// A request whose prompt has so many bytes.
private func need(
  bytes: Int = 1000, cap: Int64? = 100, choices: Int64 = 1, _ route: Route = .chat
) -> RequestNeed {
  var facts = RequestFacts()
  facts.bodyBytes = bytes
  facts.outputTokensMax = cap
  facts.choices = choices
  return RequestNeed(facts, route)
}

extension AdmissionDesk.Reservation {
  fileprivate var lease: Lease? { if case .made(let lease) = self { lease } else { nil } }
  fileprivate var error: APIError? { if case .refused(let error) = self { error } else { nil } }
}

extension AdmissionDesk {
  fileprivate func reserve(
    _ need: RequestNeed, _ key: KeyRecord, at time: Instant = now, made: WallTime = noon
  ) -> Reservation {
    reserve(need, at: price, for: key, at: time, made: made)
  }
}

struct AdmissionTests {
  /// 1000 bytes at 1 and 100 tokens at 2 micro-euro: 1.2 milli-euro.
  private let worst: Int64 = 1_200_000

  @Test("200 requests at once on a limit for 10: 10 pass, whatever kind of limit it is")
  func parallel() {
    func admitted(
      _ setKey: (inout KeyLimits) -> Void = { _ in },
      all setAll: (inout KeyLimits) -> Void = { _ in }
    ) -> Int {
      let desk = AdmissionDesk(settings(RequestWindow(requests: 1000, seconds: 60), setAll))
      let key = limitedKey(setKey)
      return (0..<200).count { _ in
        guard desk.admit(key, at: now, wall: noon, isMetered: true).isAdmitted else { return false }
        desk.begin(key)
        return desk.reserve(need(), key).lease != nil
      }
    }
    // 250 tokens of prompt and 100 of output each.
    #expect(admitted() == 200)
    #expect(admitted { $0.requests = 10 } == 10)
    #expect(admitted { $0.concurrentRequests = 10 } == 10)
    #expect(admitted { $0.tokensPerMinute = 10 * 350 + 349 } == 10)
    #expect(admitted { $0.dayBudget = worst * 10 } == 10)
    #expect(admitted { $0.monthBudget = worst * 10 } == 10)
    #expect(admitted(all: { $0.concurrentRequests = 10 }) == 10)
    #expect(admitted(all: { $0.tokensPerMinute = 3500 }) == 10)
    #expect(admitted(all: { $0.dayBudget = worst * 10 }) == 10)
    #expect(admitted(all: { $0.monthBudget = worst * 10 }) == 10)
  }

  @Test("Each refusal has its own words, and only a budget says not to try again")
  func refusals() {
    let desk = AdmissionDesk(settings())
    let key = limitedKey {
      $0.tokensPerMinute = 350
      $0.concurrentRequests = 1
    }
    #expect(desk.reserve(need(), key).lease != nil)
    let tokens = desk.reserve(need(), key, at: now.adding(seconds: 20)).error
    #expect(tokens == .keyTokens.retrying(after: 41) && tokens?.status == 429)
    desk.begin(key)
    let busy = desk.admit(key, at: now, wall: noon, isMetered: true)
    #expect(busy.error == .keyConcurrency.retrying(after: 1))
    #expect(desk.admit(key, at: now, wall: noon).isAdmitted)
    let poor = limitedKey(row: 2) { $0.dayBudget = worst }
    #expect(desk.reserve(need(), poor).lease != nil)
    let spent = desk.reserve(need(), poor).error
    #expect(spent == .keyBudget && spent?.saysNoRetry == true && spent?.retryAfterSeconds == nil)
    #expect(spent?.code == "insufficient_quota")
  }

  @Test("A refused request takes nothing of any limit")
  func nothingTaken() {
    let desk = AdmissionDesk(settings { $0.tokensPerMinute = 10_000 })
    let key = limitedKey {
      $0.tokensPerMinute = 1000
      $0.dayBudget = worst * 2
    }
    _ = desk.reserve(need(), key)
    _ = desk.reserve(need(), key)
    let before = (key.allowance.tokens?.taken, desk.global.tokens?.taken, key.allowance.left(.day))
    for _ in 0..<50 { #expect(desk.reserve(need(), key).error != nil) }
    #expect(key.allowance.tokens?.taken == before.0 && desk.global.tokens?.taken == before.1)
    #expect(key.allowance.left(.day) == before.2)
  }

  @Test("The output is capped at what the budget pays, exactly", arguments: 0..<500)
  func cap(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let row = PriceRow(
      row: 1, model: "m", validFrom: .init(seconds: 0),
      input: .random(in: 0...9_000_000, using: &random),
      output: .random(in: 1...9_000_000, using: &random), standing: .operator, source: "")
    let left = Int64.random(in: 0...2_000_000, using: &random)
    let bytes = Int.random(in: 2...2000, using: &random)
    let choices = Int64.random(in: 1...4, using: &random)
    let desk = AdmissionDesk(settings())
    let key = limitedKey { $0.monthBudget = left }
    func cost(_ output: Int64) -> Int64 {
      var usage = Usage()
      (usage.fresh, usage.output) = (Int64(bytes), output)
      guard case .nanoEuro(let sum) = row.cost(of: usage) else { return .max }
      return sum
    }
    let reservation = desk.reserve(
      need(bytes: bytes, cap: nil, choices: choices), at: row, for: key, at: now, made: noon)
    guard let lease = reservation.lease else {
      #expect(reservation.error == .keyBudget && cost(choices) > left)
      return
    }
    let reserved = lease.nanoEuro ?? .max
    #expect(reserved <= left)
    if let cap = lease.outputTokensMax {
      #expect(cost(cap * choices) == reserved && cost((cap + 1) * choices) > left)
    } else {
      #expect(cost((CoreBounds.outputTokensAssumedMax - Int64(bytes) / 4) * choices) <= left)
    }
  }

  @Test("A cap is written only where the budget asks for one")
  func quietCap() {
    let desk = AdmissionDesk(settings())
    let rich = limitedKey { $0.dayBudget = 1_000_000_000_000 }
    #expect(desk.reserve(need(cap: nil), rich).lease?.outputTokensMax == nil)
    #expect(desk.reserve(need(cap: 77), rich).lease?.outputTokensMax == nil)
    let poor = limitedKey(row: 2) { $0.dayBudget = 1_100_000 }
    #expect(desk.reserve(need(cap: 77), poor).lease?.outputTokensMax == 50)
    let free = limitedKey(row: 3)
    #expect(desk.reserve(need(cap: nil), free).lease?.isHard == false)
  }

  @Test("A model without a price is refused to who has a budget, or to all by setting")
  func unpriced() {
    let key = limitedKey { $0.monthBudget = 1 }
    let desk = AdmissionDesk(settings())
    func refusal(_ key: KeyRecord, _ desk: AdmissionDesk) -> APIError? {
      desk.reserve(need(), at: nil, for: key, at: now, made: noon).error
    }
    #expect(refusal(key, desk) == .modelNotPriced)
    #expect(refusal(limitedKey(), desk) == nil)
    var strict = settings()
    strict[.refusesUnpriced] = 1
    desk.change(to: strict)
    #expect(refusal(limitedKey(), desk) == .modelNotPriced)
  }

  @Test("Warnings and ends of budgets are told once in a period, to the key and to all")
  func alarms() {
    let desk = AdmissionDesk(settings { $0.monthBudget = worst * 4 })
    let key = limitedKey {
      $0.dayBudget = worst * 2
      $0.warningPercent = 50
    }
    var told: [String] = []
    desk.onAlarm = { told.append("\($0) \($1.text)") }
    func spend(_ time: WallTime) {
      guard let lease = desk.reserve(need(), key, made: time).lease else { return }
      desk.settle(lease, of: key, tokens: 10, nanoEuro: worst, at: now)
    }
    for _ in 0..<4 { spend(noon) }
    #expect(told == ["budgetNear key_1 2025-11-22", "budgetSpent key_1 2025-11-22"])
    told = []
    let tomorrow = WallTime(seconds: noon.seconds + 86_400)
    for _ in 0..<4 { spend(tomorrow) }
    #expect(
      told == [
        "budgetNear key_1 2025-11-23", "budgetNear * 2025-11", "budgetSpent key_1 2025-11-23",
      ])
  }

  @Test("Nothing is leased twice or kept, and no limit is passed", arguments: 0..<8)
  func property(part: UInt64) {
    for seed in part * 500..<(part + 1) * 500 {
      var lives = RandomLives(seed: seed, unit: worst)
      for _ in 0..<120 { lives.step() }
      lives.endAll()
      #expect(lives.surprises.isEmpty, "seed \(seed)")
    }
  }
}

/// Random lives of requests on a virtual clock that is set back at times, against sums that are
/// made anew each time.
private struct RandomLives {
  private struct Open {
    let key: Int
    let day: Int64
    let lease: Lease
  }
  private struct Spent {
    let key: Int
    let day: Int64
    let nanoEuro: Int64
  }

  private var random: SeededRandom
  private let unit: Int64
  private let desk: AdmissionDesk
  private let keys: [KeyRecord]
  private var open: [Open] = []
  private var spent: [Spent] = []
  private var time = now
  private var wall = noon
  /// Lines where desk and model disagree.
  private(set) var surprises: [Int] = []

  init(seed: UInt64, unit: Int64) {
    var random = SeededRandom(seed: seed)
    self.unit = unit
    desk = AdmissionDesk(
      settings {
        $0.concurrentRequests = .random(in: 1...8, using: &random)
        $0.dayBudget = .random(in: 1...20, using: &random) * unit
      })
    keys = (1...3).map { row in
      limitedKey(row: row) {
        $0.concurrentRequests = .random(in: 1...4, using: &random)
        $0.dayBudget = .random(in: 1...10, using: &random) * unit
        $0.monthBudget = .random(in: 5...20, using: &random) * unit
      }
    }
    self.random = random
  }

  private mutating func expect(_ isSo: Bool, line: Int = #line) {
    if !isSo { surprises.append(line) }
  }

  private func used(_ key: Int?, on day: Int64?) -> Int64 {
    let settled = spent.filter { (key ?? $0.key) == $0.key && (day ?? $0.day) == $0.day }
    let reserved = open.filter { (key ?? $0.key) == $0.key && (day ?? $0.day) == $0.day }
    return settled.reduce(0) { $0 + $1.nanoEuro }
      + reserved.reduce(0) { $0 + ($1.lease.nanoEuro ?? 0) }
  }

  mutating func step() {
    time = time.adding(milliseconds: .random(in: 0...5000, using: &random))
    let jump = Int64.random(in: -1...4, using: &random) * 600_000_000
    wall = WallTime(microseconds: wall.microseconds + jump)
    if Bool.random(using: &random), let index = open.indices.randomElement(using: &random) {
      let ended = open.remove(at: index)
      end(ended, nanoEuro: .random(in: 0...(ended.lease.nanoEuro ?? 0), using: &random))
    } else {
      begin(Int.random(in: 0..<3, using: &random))
    }
  }

  private mutating func end(_ ended: Open, nanoEuro: Int64) {
    desk.settle(ended.lease, of: keys[ended.key], tokens: 1, nanoEuro: nanoEuro, at: time)
    desk.end(keys[ended.key])
    spent.append(Spent(key: ended.key, day: ended.day, nanoEuro: nanoEuro))
  }

  private mutating func begin(_ index: Int) {
    let (key, limits) = (keys[index], keys[index].details.limits)
    let mayBegin =
      open.count { $0.key == index } < limits.concurrentRequests ?? 0
      && open.count < desk.global.limits.concurrentRequests ?? 0
    expect(desk.admit(key, at: time, wall: wall, isMetered: true).isAdmitted == mayBegin)
    if !mayBegin { return }
    desk.begin(key)
    let left = min(
      (limits.dayBudget ?? 0) - used(index, on: wall.day),
      (limits.monthBudget ?? 0) - used(index, on: nil),
      (desk.global.limits.dayBudget ?? 0) - used(nil, on: wall.day))
    let lease = desk.reserve(need(), key, at: time, made: wall).lease
    // The prompt, and a token of output at least.
    expect((lease != nil) == (left >= 1_002_000))
    guard let lease else { return desk.end(key) }
    expect(lease.nanoEuro == min(unit, 1_000_000 + (left - 1_000_000) / 2000 * 2000))
    open.append(Open(key: index, day: wall.day, lease: lease))
  }

  /// Nobody holds anything when all have ended.
  mutating func endAll() {
    for ended in open { end(ended, nanoEuro: 0) }
    for allowance in keys.map(\.allowance) + [desk.global] {
      expect(allowance.running == 0)
      expect(allowance.day.present.open == 0 && allowance.month.present.open == 0)
    }
  }
}
