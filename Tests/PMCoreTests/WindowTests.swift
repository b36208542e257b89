import PMSystem
import PMWire
import Testing

@testable import PMCore

/// Keeps every admission for ever and counts them anew each time.
private struct NaiveWindow {
  var limit: Int
  var lengthNanoseconds: Int64
  var admissions: [Int64] = []

  mutating func admit(at now: Int64) -> Bool {
    let taken = admissions.filter { $0 + lengthNanoseconds > now }.count
    guard taken < limit else { return false }
    admissions.append(now)
    return true
  }
}

extension AdmissionWindow {
  /// Asks a copy.
  fileprivate func wouldAdmit(at now: Int64) -> Bool {
    var copy = self
    return copy.hasPlace(at: now)
  }
}

private func key(limit: Int?) -> KeyRecord { limitedKey { $0.requests = limit } }

private func desk(_ window: RequestWindow) -> AdmissionDesk { AdmissionDesk(settings(window)) }

private let second: UInt64 = 1_000_000_000

struct WindowTests {
  @Test("Admits exactly what a naive model admits", arguments: 0..<40)
  func property(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let limit = Int.random(in: 1...20, using: &random)
    let seconds = Int.random(in: 1...10, using: &random)
    var naive = NaiveWindow(limit: limit, lengthNanoseconds: Int64(seconds) * 1_000_000_000)
    var ours = AdmissionWindow(limit: limit, seconds: seconds)
    var now: Int64 = -5_000_000_000
    for _ in 0..<3000 {
      // Bursts of one moment, and steps of up to a quarter of the window.
      if Bool.random(using: &random) {
        now += .random(in: 0...Int64(seconds) * 250_000_000, using: &random)
      }
      let hasPlace = ours.hasPlace(at: now)
      if hasPlace { ours.take(at: now) }
      let expected = naive.admit(at: now)
      #expect(hasPlace == expected)
      if !ours.hasPlace(at: now) {
        let wait = ours.nanosecondsUntilFree(at: now)
        #expect(wait > 0 && !ours.wouldAdmit(at: now + wait - 1))
        #expect(ours.wouldAdmit(at: now + wait))
      }
    }
  }

  @Test("Limits above the exact bound never admit more, and a place is late by a step at most")
  func rounded() {
    let limit = AdmissionWindow.exactPlacesMax + 1
    var window = AdmissionWindow(limit: limit, seconds: 60)
    var random = SeededRandom(seed: 1)
    var now: Int64 = 0
    var admissions: [Int64] = []
    for _ in 0..<200_000 {
      now += .random(in: 0...3_000_000, using: &random)
      guard window.hasPlace(at: now) else { continue }
      window.take(at: now)
      admissions.append(now)
      if admissions.count > limit {
        let before = admissions[admissions.count - 1 - limit]
        #expect(now - before >= 60_000_000_000)
      }
    }
    #expect(admissions.count > 2 * limit)
    let step = 60_000_000_000 / AdmissionWindow.stepsPerWindow
    var full = AdmissionWindow(limit: limit, seconds: 60)
    while full.hasPlace(at: now) { full.take(at: now) }
    let (isEarly, isLate) = (
      full.wouldAdmit(at: now + 59_999_999_999), full.wouldAdmit(at: now + 60_000_000_000 + step)
    )
    #expect(!isEarly && isLate)
  }

  @Test("A lowered limit waits until enough places are free")
  func lowered() {
    var window = AdmissionWindow(limit: 5, seconds: 10)
    for moment in 0..<5 {
      #expect(window.wouldAdmit(at: Int64(moment) * 1_000_000_000))
      window.take(at: Int64(moment) * 1_000_000_000)
    }
    window.change(limit: 2, seconds: 10)
    #expect(!window.wouldAdmit(at: 5_000_000_000))
    #expect(window.remaining == 0)
    // The fourth of five must end: taken at 3 s.
    #expect(window.nanosecondsUntilFree(at: 5_000_000_000) == 8_000_000_000)
    #expect(!window.wouldAdmit(at: 12_999_999_999))
    #expect(window.wouldAdmit(at: 13_000_000_000))
  }
}

struct AdmissionHeadTests {
  private let wall = WallTime(microseconds: 1_000_000_000_400_000)

  @Test("A key's limit comes first, counts over the global window, and shows in the answer")
  func keyLimit() {
    let desk = desk(RequestWindow(requests: 100, seconds: 60))
    let key = key(limit: 5)
    let now = Instant(nanoseconds: 1000 * second)
    for remaining in [4, 3, 2, 1, 0] {
      let decision = desk.admit(key, at: now, wall: wall)
      #expect(decision.isAdmitted && decision.scope == .key && decision.limit == 5)
      #expect(decision.remaining == remaining)
    }
    let refused = desk.admit(key, at: now.adding(seconds: 20), wall: wall)
    #expect(!refused.isAdmitted && refused.scope == .key && refused.remaining == 0)
    #expect(refused.retryAfterSeconds == 40)
    // 0.4 s past the second: rounded up, so that who comes then is not refused again.
    #expect(refused.resetUnixSeconds == 1_000_000_041)
    #expect(desk.admit(key, at: now.adding(seconds: 60), wall: wall).isAdmitted)
  }

  @Test("A refused request takes no place in any limit")
  func refusedTakesNothing() {
    let desk = desk(RequestWindow(requests: 3, seconds: 60))
    let (limited, free) = (key(limit: 1), key(limit: nil))
    let now = Instant(nanoseconds: 5 * second)
    #expect(desk.admit(limited, at: now, wall: wall).isAdmitted)
    for _ in 0..<10 { #expect(!desk.admit(limited, at: now, wall: wall).isAdmitted) }
    #expect(desk.admit(free, at: now, wall: wall).remaining == 1)
    #expect(desk.admit(free, at: now, wall: wall).remaining == 0)
    let global = desk.admit(free, at: now, wall: wall)
    #expect(!global.isAdmitted && global.scope == .global && global.limit == 3)
    // Refused by the global limit, a request takes no place of its key either.
    let other = key(limit: 1)
    for _ in 0..<5 { #expect(!desk.admit(other, at: now, wall: wall).isAdmitted) }
    #expect(desk.admit(other, at: now.adding(seconds: 60), wall: wall).isAdmitted)
  }

  @Test("200 requests at one moment on a limit of 10: 10 pass")
  func parallel() {
    let desk = desk(RequestWindow(requests: 1000, seconds: 60))
    let key = key(limit: 10)
    let now = Instant(nanoseconds: second)
    let admitted = (0..<200).filter { _ in desk.admit(key, at: now, wall: wall).isAdmitted }
    #expect(admitted.count == 10)
  }

  @Test("A restart gives nobody a new window")
  func restore() {
    let desk = desk(RequestWindow(requests: 10, seconds: 60))
    let key = key(limit: 3)
    let now = Instant(nanoseconds: 2 * second)  // The machine has just booted.
    for age in [70, 50, 20] {
      let past = PastRequest(key: 1, at: WallTime(seconds: wall.seconds - Int64(age)))
      desk.restore(past, of: key, at: now, wall: wall)
    }
    #expect(desk.admit(key, at: now, wall: wall).remaining == 0)
    #expect(!desk.admit(key, at: now.adding(seconds: 9), wall: wall).isAdmitted)
    #expect(desk.admit(key, at: now.adding(seconds: 11), wall: wall).isAdmitted)
  }

  @Test("Another global limit is in force at once; removing a key's limit frees the key")
  func change() {
    let desk = desk(RequestWindow(requests: 2, seconds: 60))
    let key = key(limit: 1)
    let now = Instant(nanoseconds: second)
    #expect(desk.admit(key, at: now, wall: wall).isAdmitted)
    #expect(!desk.admit(key, at: now, wall: wall).isAdmitted)
    var details = key.details
    details.limits.requests = nil
    key.change(to: details)
    #expect(desk.admit(key, at: now, wall: wall).scope == .global)
    #expect(!desk.admit(key, at: now, wall: wall).isAdmitted)
    desk.change(to: settings(RequestWindow(requests: 4, seconds: 60)))
    #expect(desk.admit(key, at: now, wall: wall).remaining == 1)
  }
}
