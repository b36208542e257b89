import PMStore
import PMSystem
import Synchronization

/// A second connection, on a thread of its own, for what reads many rows: it slows neither commits
/// nor the loop. Without a request it has neither thread nor connection.
final class LedgerReader {
  /// Queries that wait. Who asks for more is told to come back.
  static let waitingMax = 16

  typealias Query<Answer: Sendable> = @Sendable (Database) throws(StoreError) -> Answer

  private let desk: Desk
  private let wake: Wake
  private let inbox: Inbox
  private var nextNumber: UInt64 = 0

  /// The loop's end: who waits for which answer.
  private final class Inbox {
    var replies: [UInt64: () -> Void] = [:]
    let desk: Desk
    init(_ desk: Desk) { self.desk = desk }

    func open() {
      for number in desk.takeAnswered() { replies.removeValue(forKey: number)?() }
    }
  }

  init(path: String, loop: EventLoop) throws(SystemError) {
    let desk = Desk(path: path)
    let inbox = Inbox(desk)
    wake = try Wake { inbox.open() }
    try loop.add(wake)
    (self.desk, self.inbox) = (desk, inbox)
  }

  /// Queries without an answer yet.
  var waitingCount: Int { inbox.replies.count }

  /// Runs a query on the other thread; `then` is called on the loop. False if too many wait, and
  /// then nothing happens.
  func ask<Answer: Sendable>(
    _ query: @escaping Query<Answer>, then: @escaping (Result<Answer, StoreError>) -> Void
  ) -> Bool {
    guard waitingCount < Self.waitingMax else { return false }
    nextNumber += 1
    let answer = Guarded<Result<Answer, StoreError>?>(nil)
    inbox.replies[nextNumber] = { if let answer = answer.withLock({ $0 }) { then(answer) } }
    let job: Job = { path in
      let result = Self.run(query, path)
      answer.withLock { $0 = result }
    }
    do throws(SystemError) {
      try desk.put(nextNumber, job, bell: wake.bell)
      return true
    } catch {
      inbox.replies[nextNumber] = nil
      return false
    }
  }

  private static func run<Answer>(
    _ query: Query<Answer>, _ path: String
  ) -> Result<Answer, StoreError> {
    do throws(StoreError) {
      return .success(try query(try Database(path: path, .readOnly)))
    } catch {
      return .failure(error)
    }
  }

  /// Runs a query on the ledger at a path, and keeps its answer.
  private typealias Job = @Sendable (_ path: String) -> Void

  /// What passes between the threads.
  private final class Desk: Sendable {
    private struct Exchange {
      var jobs: [(number: UInt64, job: Job)] = []
      var answered: [UInt64] = []
      var isRunning = false
    }
    private let path: String
    private let exchange = Mutex(Exchange())

    init(path: String) { self.path = path }

    func put(
      _ number: UInt64, _ job: @escaping Job, bell: Wake.Bell
    ) throws(SystemError) {
      let mustStart = exchange.withLock { exchange in
        exchange.jobs.append((number, job))
        defer { exchange.isRunning = true }
        return !exchange.isRunning
      }
      guard mustStart else { return }
      do throws(SystemError) {
        try startThread { [self] in run(bell) }
      } catch {
        exchange.withLock { $0 = Exchange() }
        throw error
      }
    }

    func takeAnswered() -> [UInt64] {
      exchange.withLock { exchange in
        defer { exchange.answered = [] }
        return exchange.answered
      }
    }

    /// Answers until nothing is asked any more.
    private func run(_ bell: Wake.Bell) {
      while let (number, job) = next() {
        job(path)
        exchange.withLock { exchange in
          exchange.answered.append(number)
          // Within the lock: who has collected the last answer may close what the bell rings.
          bell.ring()
        }
      }
    }

    private func next() -> (UInt64, Job)? {
      exchange.withLock { exchange in
        guard !exchange.jobs.isEmpty else {
          exchange.isRunning = false
          return nil
        }
        let first = exchange.jobs.removeFirst()
        return (first.number, first.job)
      }
    }
  }
}
