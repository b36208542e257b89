import PMLog
import PMStore
import PMSystem
import Synchronization

/// What the ledger's thread has to say of itself.
enum LedgerStanding: Equatable, Sendable {
  case open
  /// SQLite's result code; healing is tried again and again.
  case failed(code: Int32)
  case closed
}

/// The ledger's own thread and what passes between it and the loop. The thread commits whatever is
/// queued as soon as the last commit ends: batches grow with the load and with the time that the
/// disk takes, and no timer is involved. Each commit rings the loop's bell at most once.
final class Ledger: Sendable {
  /// Quiet time after which the log is moved into the file.
  static let checkpointQuietMilliseconds: UInt64 = 1000
  /// Pages of log after which that happens under load too: 8 MiB, what the log has on disk. It is
  /// then written anew from its start, so that it does not grow.
  static let logPagesMax = 2000
  /// A failed ledger is opened anew after this long, doubled up to the maximum.
  static let healMillisecondsFirst: UInt64 = 250
  static let healMillisecondsMax: UInt64 = 5000

  /// What the thread has done so far, for monitors.
  struct Pulse: Sendable {
    /// Commits that reached the disk, and how long each took: its fsync is nearly all of that.
    var commitTime = Histogram(.commitTime)
    var openReservations = 0
  }

  private struct Exchange: Sendable {
    var pulse = Pulse()
    var operations: [LedgerOperation] = []
    var sets: [ChangeSet] = []
    var completions: [LedgerCompletion] = []
    /// Numbers of change sets, and whether they failed.
    var finishedSets: [(number: UInt64, failed: Bool)] = []
    var standing = LedgerStanding.open
    var heads: LedgerHeads?
    /// True while the thread waits to be rung.
    var isResting = false
    var isClosing = false
    var isCondemned = false
    var threadBell: Wake.Bell?
  }

  private let path: String
  private let loopBell: Wake.Bell
  private let exchange = Guarded(Exchange())
  private let aboveReservation = Atomic<Int>(0)

  /// The ledger at `path`, which was brought forward already. `loopBell` is rung when there is
  /// something to collect.
  init(path: String, loopBell: Wake.Bell) throws(SystemError) {
    self.path = path
    self.loopBell = loopBell
    try startThread { [self] in live() }
  }

  /// Charges that were higher than what was reserved for them: each is a defect.
  var aboveReservationCount: Int { aboveReservation.load(ordering: .relaxed) }

  var pulse: Pulse { exchange.withLock { $0.pulse } }
  /// The ends of the chains as this process has written them; nil before it has opened the file.
  var heads: LedgerHeads? { exchange.withLock { $0.heads } }

  // MARK: The loop's side

  /// Hands over operations and empties `outbox`.
  func submit(_ outbox: inout [LedgerOperation]) {
    if outbox.isEmpty { return }
    let bell = exchange.withLock { exchange in
      if exchange.operations.isEmpty {
        swap(&exchange.operations, &outbox)
      } else {
        exchange.operations.append(contentsOf: outbox)
      }
      return Self.bellOfRestingThread(&exchange)
    }
    outbox.removeAll(keepingCapacity: true)
    bell?.ring()
  }

  func submit(_ set: ChangeSet) {
    let bell = exchange.withLock { exchange in
      exchange.sets.append(set)
      return Self.bellOfRestingThread(&exchange)
    }
    bell?.ring()
  }

  /// Stops all writing, because the file was found to be damaged.
  func condemn() {
    let bell = exchange.withLock { exchange in
      exchange.isCondemned = true
      return Self.bellOfRestingThread(&exchange)
    }
    bell?.ring()
  }

  /// Ends the thread once everything queued is on disk.
  func close() {
    let bell = exchange.withLock { exchange in
      exchange.isClosing = true
      return Self.bellOfRestingThread(&exchange)
    }
    bell?.ring()
  }

  /// Takes what was finished since the last time. `completions` must be empty.
  func collect(
    _ completions: inout [LedgerCompletion], _ sets: inout [(number: UInt64, failed: Bool)]
  ) -> LedgerStanding {
    exchange.withLock { exchange in
      swap(&exchange.completions, &completions)
      swap(&exchange.finishedSets, &sets)
      return exchange.standing
    }
  }

  private static func bellOfRestingThread(_ exchange: inout Exchange) -> Wake.Bell? {
    guard exchange.isResting else { return nil }
    exchange.isResting = false
    return exchange.threadBell
  }

  // MARK: The thread's side

  /// What only the thread touches.
  private final class Desk {
    var writer: LedgerWriter?
    /// What the file had when it was last written.
    var heads: LedgerHeads?
    var stranded: [StrandedRequest] = []
    var healMilliseconds = Ledger.healMillisecondsFirst
    /// When to heal or to move the log.
    var alarmAt = Instant.never
    var batch: [LedgerOperation] = []
    var sets: [ChangeSet] = []
    var completions: [LedgerCompletion] = []
    var finishedSets: [(number: UInt64, failed: Bool)] = []
    var isCondemned = false
    var isDone = false
    var pulse = Pulse()
  }

  private func live() {
    let desk = Desk()
    do {
      let loop = try EventLoop()
      let wake = try Wake { [self] in work(desk) }
      let alarm = Alarm { [self] in
        desk.writer == nil ? heal(desk) : checkpoint(desk)
        work(desk)
      }
      try loop.add(wake)
      try loop.add(alarm)
      exchange.withLock { $0.threadBell = wake.bell }
      heal(desk)
      work(desk)
      while !desk.isDone {
        loop.setDeadline(alarm, desk.alarmAt)
        loop.turn()
      }
      exchange.withLock { $0.threadBell = nil }
    } catch {
      // Without descriptors for a loop of its own the thread cannot live; nothing is admitted then.
      publish(desk, standing: .failed(code: 0))
    }
  }

  private func work(_ desk: Desk) {
    while take(desk) {
      for set in desk.sets {
        let done = commit(desk) { (writer) throws(StoreError) in try writer.write(set) }
        desk.finishedSets.append((set.number, failed: !done))
      }
      desk.sets.removeAll(keepingCapacity: true)
      let batch = desk.batch
      if !batch.isEmpty {
        let done = commit(desk) { (writer) throws(StoreError) in try writer.write(batch) }
        for operation in batch { complete(operation, failed: !done, desk) }
      }
      publish(desk)
      // A loop that waits for this very processor has more to commit once it has run: batches of
      // twice the size where processors are few, and no delay where one is free.
      yieldThread()
      if let writer = desk.writer, writer.database.logPages >= Self.logPagesMax { checkpoint(desk) }
    }
  }

  /// Takes all that is queued; false if nothing is, and then the thread rests.
  private func take(_ desk: Desk) -> Bool {
    desk.batch.removeAll(keepingCapacity: true)
    var isCondemned = false
    let isClosing = exchange.withLock { exchange -> Bool? in
      isCondemned = exchange.isCondemned
      guard exchange.operations.isEmpty, exchange.sets.isEmpty else {
        swap(&exchange.operations, &desk.batch)
        swap(&exchange.sets, &desk.sets)
        return nil
      }
      exchange.isResting = true
      return exchange.isClosing
    }
    if isCondemned, !desk.isCondemned {
      (desk.writer, desk.isCondemned) = (nil, true)
      noteFailure(.damaged, desk)
    }
    guard let isClosing else { return true }
    if isClosing, !desk.isDone {
      checkpoint(desk)
      (desk.writer, desk.isDone) = (nil, true)
      publish(desk, standing: .closed)
    }
    return false
  }

  /// Does one transaction, and takes its time.
  private func commit(_ desk: Desk, _ body: (LedgerWriter) throws(StoreError) -> Void) -> Bool {
    let began = Instant.now()
    let isDone = attempt(desk, body)
    if isDone {
      desk.pulse.commitTime.add(Int64(clamping: Instant.now().microsecondsSince(began)))
    }
    return isDone
  }

  /// Does something with the file; false if it fails, or has failed and is not healed yet.
  private func attempt(
    _ desk: Desk, _ body: (LedgerWriter) throws(StoreError) -> Void
  ) -> Bool {
    guard let writer = desk.writer else { return false }
    do throws(StoreError) {
      try body(writer)
      desk.alarmAt = Instant.now().adding(milliseconds: Self.checkpointQuietMilliseconds)
      return true
    } catch {
      // The file is sound; what asked for the impossible is a defect, and no reason to stop.
      if error.isConstraint { return false }
      desk.writer = nil
      noteFailure(error, desk)
      return false
    }
  }

  private func noteAboveReservation() {
    aboveReservation.add(1, ordering: .relaxed)
    Log.write(.core(.settledAboveReservation))
  }

  private func complete(_ operation: LedgerOperation, failed: Bool, _ desk: Desk) {
    switch operation {
    case .reserve(let row, let token):
      desk.completions.append(LedgerCompletion(token: token, failed: failed))
      if failed { desk.stranded.append(StrandedRequest(id: row.id.bits, wasSent: false)) }
    case .settle(let row, let token):
      if row.isAboveReservation { noteAboveReservation() }
      desk.completions.append(LedgerCompletion(token: token, failed: failed))
      if failed { desk.stranded.append(StrandedRequest(id: row.id.bits, wasSent: true)) }
    case .use: break
    }
  }

  /// Opens the file anew.
  private func heal(_ desk: Desk) {
    do throws(StoreError) {
      let writer = try LedgerWriter(path: path, known: desk.heads)
      try writer.heal(desk.stranded, at: .now())
      desk.stranded = []
      desk.writer = writer
      (desk.healMilliseconds, desk.alarmAt) = (Self.healMillisecondsFirst, .never)
      publish(desk, standing: .open)
    } catch {
      desk.healMilliseconds = min(desk.healMilliseconds * 2, Self.healMillisecondsMax)
      noteFailure(error, desk)
    }
  }

  /// Sets when healing is tried; a damaged file is not written any more.
  private func noteFailure(_ error: StoreError, _ desk: Desk) {
    desk.alarmAt =
      error == .damaged ? .never : Instant.now().adding(milliseconds: desk.healMilliseconds)
    publish(desk, standing: .failed(code: error.code))
  }

  private func checkpoint(_ desk: Desk) {
    if desk.writer?.database.logPages == 0 { return desk.alarmAt = .never }
    // A log that cannot be moved grows without bound, so that counts as a failure of the ledger.
    let done = attempt(desk) { (writer) throws(StoreError) in try writer.checkpoint() }
    if done { desk.alarmAt = .never }
  }

  /// Hands results to the loop and rings once for them.
  private func publish(_ desk: Desk, standing: LedgerStanding? = nil) {
    if let writer = desk.writer { desk.heads = writer.heads }
    let mustRing = exchange.withLock { exchange in
      let wasEmpty = exchange.completions.isEmpty && exchange.finishedSets.isEmpty
      exchange.completions.append(contentsOf: desk.completions)
      exchange.finishedSets.append(contentsOf: desk.finishedSets)
      let isNews = standing.map { $0 != exchange.standing } ?? false
      if let standing { exchange.standing = standing }
      exchange.pulse = desk.pulse
      exchange.pulse.openReservations = desk.writer?.openCount ?? 0
      exchange.heads = desk.heads
      // Within the lock for the last time: who has collected it may close what the bell rings.
      if standing == .closed { loopBell.ring() }
      return isNews || wasEmpty && !(desk.completions.isEmpty && desk.finishedSets.isEmpty)
    }
    desk.completions.removeAll(keepingCapacity: true)
    desk.finishedSets.removeAll(keepingCapacity: true)
    if mustRing, standing != .closed { loopBell.ring() }
  }
}
