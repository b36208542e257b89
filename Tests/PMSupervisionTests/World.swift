import PMWire

@testable import PMSupervision

/// A made-up system around one machine: processes that misbehave, and news that gets lost, late or
/// doubled. Everything follows from the seed.
struct World {
  struct Process {
    var isReady = false
    var isHung = false
    var ignoresAsking = false
  }
  struct Key: Hashable {
    let service: Service
    let number: Int
  }
  /// News on its way to the machine, or something that happens in the world.
  enum News {
    case event(Event)
    case claim(Key)
    case heartbeat(Key)
    case hang(Key)
    case end(Key, Exit)
    case answer(Probe)
    case coreDrained(Key)
  }

  var machine: Supervision
  var now = Moment(milliseconds: 1000)
  var random: SeededRandom
  var news: [(at: Moment, order: Int, news: News)] = []
  var newsCount = 0
  var living: [Key: Process] = [:]
  var hasFaults = true

  var isBound = false
  var hasLeft = false
  var isAnnounced = false
  var lastOrder: Order.ID = 0
  var given: Set<Order.ID> = []
  var answered: [Order.ID: Answer] = [:]
  var ended: Set<Key> = []
  var recorded: [Key: Int] = [:]
  var failures: [String] = []

  init(seed: UInt64, settings: Settings) {
    machine = Supervision(settings: settings, seed: seed, at: now)
    random = SeededRandom(state: seed ^ 0xABCD_EF01)
  }

  mutating func chance(_ percent: UInt64) -> Bool {
    hasFaults && UInt64.random(in: 0..<100, using: &random) < percent
  }
  mutating func milliseconds(_ range: ClosedRange<UInt64>) -> UInt64 {
    UInt64.random(in: range, using: &random)
  }
  mutating func schedule(_ item: News, in delay: UInt64) {
    newsCount += 1
    news.append((now.adding(milliseconds: delay), newsCount, item))
  }

  /// Goes on to the next thing that happens, at most to `end`; false if nothing does.
  mutating func step(until end: Moment) -> Bool {
    var next: Int?
    for (i, item) in news.enumerated() {
      if let best = next, (news[best].at, news[best].order) < (item.at, item.order) { continue }
      next = i
    }
    let newsAt = next.map { news[$0].at }
    let earliest = [newsAt, machine.deadline].compactMap { $0 }.min()
    guard let earliest, earliest <= end else {
      now = end
      return false
    }
    now = max(now, earliest)
    if let next, newsAt == earliest, machine.deadline.map({ $0 > earliest }) ?? true || chance(50) {
      happen(news.remove(at: next).news)
    } else {
      feed(.tick)
    }
    return true
  }

  private mutating func happen(_ item: News) {
    switch item {
    case .event(let event):
      feed(event)
      if chance(3) { schedule(item, in: milliseconds(0...2000)) }
    case .claim(let key):
      guard living[key] != nil else { return }
      living[key]?.isReady = true
      if !chance(5) { feed(.claimedReady(key.service, key.number)) }
      if chance(5) { feed(.claimedReady(key.service, key.number)) }
    case .heartbeat(let key):
      guard let process = living[key] else { return }
      if !process.isHung, !chance(3) {
        let report = Report(
          inFlight: Int(milliseconds(0...3)), vendor: key.service == .core ? vendorWord() : nil)
        feed(.heard(key.service, key.number, report))
      }
      schedule(item, in: 5000)
    // What was still to come when the faults stopped does not come.
    case .hang(let key): if hasFaults { living[key]?.isHung = true }
    case .end(_, .signal(11)) where !hasFaults: break
    case .end(let key, let exit):
      guard living.removeValue(forKey: key) != nil else { return }
      ended.insert(key)
      feed(.exited(key.service, key.number, exit))
      if chance(5) { feed(.exited(key.service, key.number, exit)) }
    case .answer(let probe): answer(probe)
    case .coreDrained(let key):
      guard living[key] != nil else { return }
      feed(
        .heard(.core, key.number, Report(inFlight: 0, vendor: .draining, isHeartbeat: false)))
    }
  }

  private mutating func vendorWord() -> VendorHealth {
    if chance(4) { return .failing }
    if chance(4) { return .stalled }
    return machine[.vendor].state == .ready ? .up : .down
  }

  private mutating func answer(_ probe: Probe) {
    if chance(2) { return }
    switch probe.target {
    case .service(let service, let number):
      let process = living[Key(service: service, number: number)]
      let lives = process.map { $0.isReady && !$0.isHung } ?? false
      feed(.probed(probe.id, passed: lives && !chance(4)))
    case .path:
      feed(.probed(probe.id, passed: !chance(20)))
    }
  }

  /// One event to the machine, its effects upon the world, and all invariants after it.
  mutating func feed(_ event: Event) {
    let before = machine
    let effects = machine.handle(event, at: now)
    for effect in effects { apply(effect) }
    checkStep(before, event, effects)
  }

  private mutating func apply(_ effect: Effect) {
    switch effect {
    case .appraise:
      let verdict: Verdict =
        chance(15)
        ? .refused(token: "kmsg-no-snp")
        : chance(25) ? .unavailable(token: "device-busy") : .passed
      schedule(.event(.verdict(verdict)), in: milliseconds(1...3000))
    case .bind:
      // The runtime answers at once: nothing may come between.
      isBound = !chance(20)
      schedule(.event(.bound(isBound)), in: 0)
    case .closeListeners: isBound = false
    case .spawn(let service, let number): spawn(Key(service: service, number: number))
    case .askToLeave(let service, let number):
      let key = Key(service: service, number: number)
      guard let process = living[key], !process.isHung, !process.ignoresAsking else { return }
      let exit: Exit = service == .vendor && chance(50) ? .code(1) : .code(0)
      schedule(.end(key, exit), in: milliseconds(1...(hasFaults ? 40_000 : 2000)))
    case .kill(let service, let number):
      // A process in an uninterruptible call dies late.
      let delay = chance(5) ? milliseconds(3000...12_000) : milliseconds(0...50)
      schedule(.end(Key(service: service, number: number), .signal(9)), in: delay)
    case .probe(let probe): schedule(.answer(probe), in: milliseconds(1...(hasFaults ? 2500 : 200)))
    case .tell(let service, let number, .drainVendor):
      schedule(
        .coreDrained(Key(service: service, number: number)),
        in: chance(10) ? 60_000 : milliseconds(1...9000))
    case .tell: break
    case .answer(let id, let answer):
      if answered[id] != nil { failures.append("order \(id) answered twice") }
      answered[id] = answer
    case .record(.ended(let death)):
      recorded[Key(service: death.service, number: death.generation), default: 0] += 1
    case .announceReady: isAnnounced = true
    case .leave: hasLeft = true
    case .adopt, .progress, .changed, .record, .announceStopping: break
    }
  }

  private mutating func spawn(_ key: Key) {
    if key.service != .edge, living.keys.contains(where: { $0.service == key.service }) {
      failures.append("two copies of \(key.service)")
    }
    var process = Process()
    process.ignoresAsking = chance(20)
    living[key] = process
    if chance(10) {
      let exits: [Exit] = [
        .code(0), .code(1), .code(75), .code(78), .code(125), .signal(11), .outOfMemory,
        .digestDiffers, .slowToHeal(1),
      ]
      let exit = exits[Int(milliseconds(0...UInt64(exits.count - 1)))]
      return schedule(.end(key, exit), in: milliseconds(0...500))
    }
    if !chance(5) {
      if key.service == .vendor {
        living[key]?.isReady = true
      } else {
        schedule(.claim(key), in: milliseconds(1...(hasFaults ? 25_000 : 500)))
      }
    }
    schedule(.heartbeat(key), in: 5000)
    if chance(40) { schedule(.hang(key), in: milliseconds(0...300_000)) }
    if chance(40) { schedule(.end(key, .signal(11)), in: milliseconds(0...300_000)) }
  }

  mutating func giveOrder(_ kind: Order.Kind, within milliseconds: UInt64 = 60_000) {
    lastOrder += 1
    given.insert(lastOrder)
    feed(
      .order(
        Order(
          id: lastOrder, kind: kind, uid: 0, deadline: now.adding(milliseconds: milliseconds))))
  }

  mutating func giveRandomOrder() {
    let service = Service.allCases[Int(milliseconds(0...3))]
    let kinds: [Order.Kind] = [
      .start(service), .stop(service), .restart(service), .restart(.edge), .drain(service),
      .probe(service), .gate, .reload(changed: [service]), .start(service), .restart(service),
    ]
    giveOrder(
      kinds[Int(milliseconds(0...UInt64(kinds.count - 1)))], within: milliseconds(0...90_000))
  }
}
