import PMJSON
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

private let start = WallTime(seconds: 1_790_000_000)

private func day(_ number: Int64) -> WallTime {
  WallTime(seconds: start.seconds + number * 86_400)
}

struct ModelWatchTests {
  private let models = ModelTable()
  private let prices: PriceTable
  private let (a, b, c): (ModelIndex, ModelIndex, ModelIndex)

  init() {
    let row = PriceRow(
      row: 1, model: "a", validFrom: WallTime(seconds: 0), input: 1, standing: .operator,
      source: "")
    (a, b, c) = (models.enter("a"), models.enter("b"), models.enter("c"))
    prices = PriceTable(
      models: models, rows: [row],
      aliases: [ModelAlias("c", of: "a", from: WallTime(seconds: 0))])
  }

  @Test func theFirstListIsNoNewsButForItsPrices() {
    var watch = ModelWatch([])
    let (events, changed) = watch.look(at: [a, b, c], prices: prices, at: start)
    #expect(events == [.priced(a), .unpriced(b), .priced(c)])
    #expect(changed.map(\.model) == [a, b, c])
    #expect(changed.allSatisfy { $0.firstSeen == start && $0.goneAt == nil })
  }

  @Test func modelsComeAndGoAndComeAgain() {
    var watch = ModelWatch([])
    _ = watch.look(at: [a], prices: prices, at: start)
    let came = watch.look(at: [a, b], prices: prices, at: day(1))
    #expect(came.events == [.priced(a), .appeared(b), .unpriced(b)])
    let went = watch.look(at: [b], prices: prices, at: day(2))
    #expect(went.events == [.unpriced(b), .gone(a)])
    #expect(went.changed.first { $0.model == a }?.goneAt == day(2))
    // Told once.
    #expect(watch.look(at: [b], prices: prices, at: day(3)).events == [.unpriced(b)])
    let back = watch.look(at: [a, b], prices: prices, at: day(4))
    #expect(back.events == [.appeared(a), .priced(a), .unpriced(b)])
    #expect(watch.offers[a]?.firstSeen == start && watch.offers[a]?.goneAt == nil)
  }

  @Test func aListIsWrittenOnceADay() {
    var watch = ModelWatch([])
    _ = watch.look(at: [a], prices: prices, at: start)
    #expect(watch.look(at: [a], prices: prices, at: start).changed.isEmpty)
    #expect(watch.look(at: [a], prices: prices, at: day(1)).changed.map(\.lastSeen) == [day(1)])
    // A clock that was set back writes nothing either.
    #expect(watch.look(at: [a], prices: prices, at: start).changed.isEmpty)
  }

  @Test func anEmptyListIsNone() {
    var watch = ModelWatch([])
    _ = watch.look(at: [a], prices: prices, at: start)
    for list in [[], [ModelIndex.unlisted]] as [Set<ModelIndex>] {
      let (events, changed) = watch.look(at: list, prices: prices, at: day(1))
      #expect(events.isEmpty && changed.isEmpty)
    }
  }

  @Test func theWatchGoesOnWhereItWas() {
    var first = ModelWatch([])
    _ = first.look(at: [a, b], prices: prices, at: start)
    var second = ModelWatch(Array(first.offers.values))
    #expect(second.look(at: [b, c], prices: prices, at: start).events
      == [.unpriced(b), .appeared(c), .priced(c), .gone(a)])
  }
}

struct DailyLookTests {
  @Test func theListIsAskedForOnceADayAndAnHourAfterAFailure() {
    var look = DailyLook()
    func at(_ hours: UInt64) -> Instant { Instant(nanoseconds: 1).adding(seconds: hours * 3600) }
    #expect(look.isDue(at: at(0)))
    look.noteAsked(at: at(0))
    #expect(!look.isDue(at: at(0)) && look.isDue(at: at(1)))
    look.noteAsked(at: at(1))
    look.noteAnswered(at: at(1))
    #expect(!look.isDue(at: at(24)) && look.isDue(at: at(25)))
  }
}

struct AlarmBookTests {
  private let book = AlarmBook([])

  @Test func aCauseIsToldOnceUntilItEnds() {
    for time in [start, day(1)] { book.raise(.modelGone, .model("a"), at: time) }
    book.raise(.modelGone, .model("b"), at: start)
    book.raise(.modelAppeared, .model("a"), at: start)
    #expect(book.alarms.map(\.row) == [1, 2, 3] && book.openCount == 3)
    book.end(.modelGone, .model("a"), at: day(2))
    book.end(.modelGone, .model("c"), at: day(2))
    #expect(book.alarms[0].endedAt == day(2) && book.openCount == 2)
    book.raise(.modelGone, .model("a"), at: day(3))
    #expect(book.alarms.map(\.row) == [1, 2, 3, 4])
  }

  @Test func whatWasSeenIsNotToldAgain() throws {
    book.raise(.budgetSpent, .budget(key: "k", period: "2026-11"), at: start)
    book.put(try #require(book.acknowledged(1, at: day(1))))
    #expect(book.acknowledged(1, at: day(2))?.acknowledgedAt == day(1))
    #expect(book.acknowledged(2, at: day(2)) == nil)
    book.raise(.budgetSpent, .budget(key: "k", period: "2026-11"), at: day(1))
    #expect(book.alarms.count == 1 && book.openCount == 0)
    book.raise(.budgetSpent, .budget(key: "k", period: "2026-12"), at: day(1))
    book.raise(.budgetSpent, .budget(key: nil, period: "2026-11"), at: day(1))
    #expect(book.openCount == 2)
  }

  @Test func theBookIsBounded() {
    var changes: [LedgerChange] = []
    for number in 0..<AlarmBook.alarmsMax {
      book.raise(.modelAppeared, .model("m\(number)"), at: start)
    }
    book.end(.modelAppeared, .model("m7"), at: start)
    book.onChange = { changes += $0 }
    book.raise(.modelGone, .model("x"), at: start)
    book.raise(.modelGone, .model("y"), at: start)
    #expect(book.alarms.count == AlarmBook.alarmsMax)
    let dropped = changes.compactMap { if case .dropAlarm(let row) = $0 { row } else { nil } }
    // What is past goes first, then the oldest.
    #expect(dropped == [8, 1])
    #expect(book.alarms.last?.row == Int64(AlarmBook.alarmsMax + 2))
  }

  @Test func subjectsAreReadAsTheyAreWritten() {
    for kind in AlarmKind.allCases {
      let subjects: [AlarmSubject] =
        kind == .budgetNear || kind == .budgetSpent
        ? [.budget(key: "k.1", period: "2026-11-22"), .budget(key: nil, period: "2026-11")]
        : [.model("openai/gpt-oss-120b")]
      for subject in subjects { #expect(AlarmSubject(kind, text: subject.text) == subject) }
    }
  }
}

struct AlarmDeskTests {
  private func rows(_ bench: Bench) -> [CoreControl.AlarmEntry] {
    bench.ask("GET", "/alarms").json["alarms"]?.array?.compactMap { CoreControl.AlarmEntry($0) }
      ?? []
  }

  @Test func alarmsSurviveARestart() throws {
    let scratch = try Scratch()
    do {
      let bench = try Bench(scratch)
      let offered = Set(["gpt-oss-120b", "new-model"].map { bench.accounts.models.enter($0) })
      bench.accounts.modelDesk.take(offered, at: start)
      bench.accounts.modelDesk.take([bench.accounts.models.enter("new-model")], at: day(1))
      #expect(rows(bench).map(\.kind) == ["model_gone", "model_unpriced"])
      let seen = bench.ask("POST", "/alarms/1/acknowledge", ["reason": "known"])
      #expect(seen.status == 200 && CoreControl.AlarmEntry(seen.json)?.isPast == true)
      #expect(bench.ask("POST", "/alarms/9/acknowledge").errorCode == "alarm_not_found")
      #expect(bench.ask("POST", "/alarms/x/acknowledge").status == 404)
      #expect(bench.ask("GET", "/alarms/1/acknowledge").status == 405)
      bench.close()
    }
    let bench = try Bench(scratch)
    let entries = rows(bench)
    #expect(entries.map(\.row) == [2, 1] && entries.map(\.isPast) == [false, true])
    #expect(entries.map(\.model) == ["gpt-oss-120b", "new-model"])
    #expect(bench.ask("GET", "/status").json["alarms"] == 1)
    // Neither what is known nor what was seen is told again.
    bench.accounts.modelDesk.take([bench.accounts.models.enter("new-model")], at: day(2))
    #expect(rows(bench).count == 2)
    let audit = bench.ask("GET", "/audit?limit=1").json["audit"]?.array?.first
    #expect(audit?["action"] == "acknowledge" && audit?["target"] == "alarm 1")
    #expect(audit?["reason"] == "known")
  }

  @Test func aPriceEndsTheAlarmThatLackedIt() throws {
    let bench = try Bench(Scratch())
    bench.accounts.modelDesk.usedWithoutPrice(.unlisted, at: start)
    let model = bench.accounts.models.enter("m")
    bench.accounts.modelDesk.usedWithoutPrice(model, at: start)
    bench.accounts.modelDesk.usedWithoutPrice(model, at: start)
    #expect(rows(bench).map(\.model) == ["m", "unlisted"])
    #expect(bench.ask("POST", "/prices", ["model": "m", "input": 1]).status == 201)
    #expect(rows(bench).map(\.isPast) == [true, false])
  }

  /// The admin pages may do both.
  @Test func thePagesMayAcknowledge() throws {
    let bench = try Bench(Scratch())
    bench.accounts.modelDesk.usedWithoutPrice(.unlisted, at: start)
    #expect(bench.ask("GET", "/alarms", uid: 4242).status == 200)
    #expect(bench.ask("POST", "/alarms/1/acknowledge", uid: 4242).status == 200)
    #expect(bench.ask("GET", "/alarms", uid: 4243).status == 403)
  }
}
