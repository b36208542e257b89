internal import CLinux
internal import Glibc

/// One epoll instance and the sources it watches, used by one thread only. Level-triggered; a
/// source is registered once and its interest changes only for back-pressure.
@safe public final class EventLoop {
  /// Events taken from the kernel at once: bounds the work between two looks at the deadlines.
  public static let eventsPerTurnMax = 256

  private let poll: OwnedDescriptor
  private let events: UnsafeMutablePointer<epoll_event>
  private var slots: [Slot] = []
  private var freeSlots: [Int32] = []
  private var deadlines: DeadlineWheel
  private var isRunning = false
  private var turnBegan: Instant
  /// The time at the start of this turn.
  public var now: Instant { turnBegan }
  /// How long the last turn took from its wake-up to its end, in microseconds.
  public private(set) var lastTurnMicroseconds: UInt64 = 0
  /// Runs at the end of each turn, after all events and deadlines of it.
  public var onTurnEnd: (() -> Void)?

  private struct Slot {
    var source: EventSource?
    var generation: UInt32
  }

  public init() throws(SystemError) {
    guard let poll = OwnedDescriptor(result: epoll_create1(Int32(EPOLL_CLOEXEC))) else {
      throw .last(.epollCreate)
    }
    self.poll = poll
    unsafe events = .allocate(capacity: Self.eventsPerTurnMax)
    turnBegan = .now()
    deadlines = DeadlineWheel(start: turnBegan)
  }

  deinit { unsafe events.deallocate() }

  /// Number of sources in the loop.
  public var sourceCount: Int { slots.count - freeSlots.count }

  /// Puts a source into the loop, which keeps it until `remove`. A source without a descriptor only
  /// has its deadline.
  public func add(_ source: EventSource) throws(SystemError) {
    precondition(source.watch.slot < 0, "a source is in one loop at most")
    let slot: Int32
    if let free = freeSlots.popLast() {
      slot = free
    } else {
      slot = Int32(slots.count)
      slots.append(Slot(source: nil, generation: 0))
    }
    let generation = slots[Int(slot)].generation
    if source.number >= 0, !control(EPOLL_CTL_ADD, source, slot, generation) {
      let error = SystemError.last(.epollControl)
      freeSlots.append(slot)
      throw error
    }
    slots[Int(slot)].source = source
    source.watch.slot = slot
    if source.watch.deadline != .never { arm(source) }
  }

  /// Takes a source out; its descriptor is closed when the source goes away.
  public func remove(_ source: EventSource) {
    let slot = source.watch.slot
    guard slot >= 0 else { return }
    // Explicitly, because another process may hold the same open file and keep it in the set.
    if source.number >= 0 { _ = control(EPOLL_CTL_DEL, source, slot, 0) }
    slots[Int(slot)].source = nil
    slots[Int(slot)].generation &+= 1
    freeSlots.append(slot)
    source.watch.slot = -1
    // Its entry in the wheel is stale from now on.
    source.watch.armedTick = .max
  }

  /// Changes what a source waits for; no system call if nothing changes.
  public func setInterest(_ source: EventSource, reading: Bool, writing: Bool) {
    if source.watch.isReading == reading && source.watch.isWriting == writing { return }
    (source.watch.isReading, source.watch.isWriting) = (reading, writing)
    guard source.watch.slot >= 0, source.number >= 0 else { return }
    let done = control(
      EPOLL_CTL_MOD, source, source.watch.slot, slots[Int(source.watch.slot)].generation)
    precondition(done, "a registered descriptor can be changed")
  }

  /// Sets when `onDeadline` is called; `.never` for not at all.
  public func setDeadline(_ source: EventSource, _ deadline: Instant) {
    source.watch.deadline = deadline
    if source.watch.slot >= 0, deadline != .never { arm(source) }
  }

  private func arm(_ source: EventSource) {
    let watch = source.watch
    guard let tick = deadlines.tick(for: watch.deadline, armed: watch.armedTick) else { return }
    source.watch.armedTick = tick
    let generation = slots[Int(watch.slot)].generation
    deadlines.insert(.init(slot: source.watch.slot, generation: generation), at: tick)
  }

  private func control(
    _ operation: Int32, _ source: EventSource, _ slot: Int32, _ generation: UInt32
  ) -> Bool {
    let interest =
      (source.watch.isReading ? EPOLLIN.rawValue | EPOLLRDHUP.rawValue : 0)
      | (source.watch.isWriting ? EPOLLOUT.rawValue : 0)
    let tag = UInt64(generation) << 32 | UInt64(UInt32(bitPattern: slot))
    // The kernel copies the structure; its union is only ever used as a number here.
    var event = unsafe epoll_event(events: interest, data: epoll_data_t(u64: tag))
    return unsafe epoll_ctl(poll.number, operation, source.number, &event) == 0
  }

  /// Turns until `stop`.
  public func run() {
    isRunning = true
    while isRunning { turn() }
  }

  /// Ends `run` after the current turn.
  public func stop() { isRunning = false }

  /// Waits once for events or the next deadline, at most `waitMillisecondsMax`, and handles them.
  public func turn(waitMillisecondsMax: Int32 = .max) {
    let wait = min(deadlines.waitMilliseconds(from: .now()), waitMillisecondsMax)
    // The kernel writes at most eventsPerTurnMax structures, and only those are read.
    let count = unsafe epoll_wait(
      poll.number, events, Int32(Self.eventsPerTurnMax), wait == .max ? -1 : wait)
    turnBegan = .now()
    for i in 0..<Int(max(0, count)) {
      unsafe dispatch(tag: events[i].data.u64, Readiness(bits: events[i].events))
    }
    expireDeadlines()
    onTurnEnd?()
    lastTurnMicroseconds = Instant.now().microsecondsSince(now)
  }

  private func dispatch(tag: UInt64, _ readiness: Readiness) {
    let slot = Int(UInt32(truncatingIfNeeded: tag))
    let generation = UInt32(truncatingIfNeeded: tag >> 32)
    // An earlier event of the same batch may have removed the source, or reused its slot.
    guard slots[slot].generation == generation, let source = slots[slot].source else { return }
    source.onReady(readiness)
  }

  private func expireDeadlines() {
    guard deadlines.isDue(at: now) else { return }
    var due: [DeadlineWheel.Entry] = []
    deadlines.takeDue(at: now, into: &due)
    for entry in due {
      let slot = slots[Int(entry.slot)]
      guard slot.generation == entry.generation, let source = slot.source,
        source.watch.armedTick == entry.tick
      else { continue }
      source.watch.armedTick = .max
      if source.watch.deadline == .never { continue }
      if source.watch.deadline > now {
        arm(source)
      } else {
        source.watch.deadline = .never
        source.onDeadline()
      }
    }
  }
}

/// What the kernel says of a descriptor.
public struct Readiness: Sendable {
  private let bits: UInt32
  init(bits: UInt32) { self.bits = bits }

  public var isWritable: Bool { bits & EPOLLOUT.rawValue != 0 }
  /// Anything that a receive would tell about: bytes, an end, an error.
  public var isReadable: Bool {
    bits & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
  }
  /// The peer has gone for good, or the descriptor is in error.
  public var isHangUp: Bool { bits & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
}
