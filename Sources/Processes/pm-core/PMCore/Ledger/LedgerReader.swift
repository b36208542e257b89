import PMStore
import PMSystem
import Synchronization

/// A second connection, on a thread of its own, for what reads many rows: it slows neither commits
/// nor the loop. Without a request it has neither thread nor connection.
final class LedgerReader {
  /// Queries that wait. Who asks for more is told to come back.
  static let waitingMax = 16

  typealias Query = @Sendable (Database) throws(StoreError) -> ControlResponse

  private let desk: Desk
  private let wake: Wake
  private let inbox: Inbox
  private var nextNumber: UInt64 = 0

  /// The loop's end: who waits for which answer.
  private final class Inbox {
    var replies: [UInt64: (Result<ControlResponse, StoreError>) -> Void] = [:]
    let desk: Desk
    init(_ desk: Desk) { self.desk = desk }

    func open() {
      for (number, result) in desk.takeAnswers() { replies.removeValue(forKey: number)?(result) }
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
  func ask(
    _ query: @escaping Query, then: @escaping (Result<ControlResponse, StoreError>) -> Void
  ) -> Bool {
    guard waitingCount < Self.waitingMax else { return false }
    nextNumber += 1
    inbox.replies[nextNumber] = then
    do throws(SystemError) {
      try desk.put(nextNumber, query, bell: wake.bell)
      return true
    } catch {
      inbox.replies[nextNumber] = nil
      return false
    }
  }

  /// What passes between the threads.
  private final class Desk: Sendable {
    private struct Exchange {
      var queries: [(number: UInt64, query: Query)] = []
      var answers: [(UInt64, Result<ControlResponse, StoreError>)] = []
      var isRunning = false
    }
    private let path: String
    private let exchange = Mutex(Exchange())

    init(path: String) { self.path = path }

    func put(
      _ number: UInt64, _ query: @escaping Query, bell: Wake.Bell
    ) throws(SystemError) {
      let mustStart = exchange.withLock { exchange in
        exchange.queries.append((number, query))
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

    func takeAnswers() -> [(UInt64, Result<ControlResponse, StoreError>)] {
      exchange.withLock { exchange in
        defer { exchange.answers = [] }
        return exchange.answers
      }
    }

    /// Answers until nothing is asked any more.
    private func run(_ bell: Wake.Bell) {
      while let (number, query) = next() {
        let result = answer(query)
        exchange.withLock { exchange in
          exchange.answers.append((number, result))
          // Within the lock: who has collected the last answer may close what the bell rings.
          bell.ring()
        }
      }
    }

    private func next() -> (UInt64, Query)? {
      exchange.withLock { exchange in
        guard !exchange.queries.isEmpty else {
          exchange.isRunning = false
          return nil
        }
        let first = exchange.queries.removeFirst()
        return (first.number, first.query)
      }
    }

    private func answer(_ query: Query) -> Result<ControlResponse, StoreError> {
      do throws(StoreError) {
        return .success(try query(try Database(path: path, .readOnly)))
      } catch {
        return .failure(error)
      }
    }
  }
}
