import PMLog
import PMSystem

/// The loop's side of the ledger: collects operations during a turn, hands them over at its end, and
/// tells what became of them.
final class LedgerDesk {
  /// Operations handed over or waiting to be: a second of full load at the slowest disk.
  static let operationsMax = 16_384
  /// Change sets under way; administration is slow and rare.
  static let setsMax = 64

  private let ledger: Ledger
  private var outbox: [LedgerOperation] = []
  private var operationCount = 0
  private var nextSet: UInt64 = 1
  private var sets: [UInt64: (Bool) -> Void] = [:]
  private var completions: [LedgerCompletion] = []
  private var finishedSets: [(number: UInt64, failed: Bool)] = []

  private(set) var standing = LedgerStanding.open
  /// Charges that were higher than what was reserved for them.
  private(set) var aboveReservationCount = 0
  /// Told of every reservation and settlement, by its token, once it is on disk or has failed.
  var onCompletion: ((LedgerCompletion) -> Void)?
  var onStanding: ((LedgerStanding) -> Void)?

  init(_ ledger: Ledger) { self.ledger = ledger }

  /// Why no new request can be reserved now; nil if it can.
  var refusal: LedgerRefusal? {
    if standing != .open { return .unavailable }
    return operationCount >= Self.operationsMax ? .full : nil
  }

  /// Operations that are not on disk yet.
  var waitingCount: Int { operationCount }

  /// Queues a reservation; its completion carries `token`. A refusal queues nothing.
  func reserve(_ row: ReservationRow, token: UInt64) -> LedgerRefusal? {
    if let refusal { return refusal }
    outbox.append(.reserve(row, token: token))
    operationCount += 1
    return nil
  }

  /// Queues the end of a request. It is never refused: its reservation was counted.
  func settle(_ row: SettlementRow, token: UInt64) {
    var row = row
    if let cost = row.costNanoEuro, let reserved = row.reservedNanoEuro, cost > reserved {
      row.usage.flags.insert(.aboveReservation)
      aboveReservationCount += 1
      Log.write(.core(.settledAboveReservation))
    }
    outbox.append(.settle(row, token: token))
    operationCount += 1
  }

  /// Hands over a set of changes; `then` learns whether it is on disk. False if too many are under
  /// way, and then nothing happens.
  func change(_ changes: [LedgerChange], then: @escaping (Bool) -> Void) -> Bool {
    guard sets.count < Self.setsMax else { return false }
    let number = nextSet
    nextSet += 1
    sets[number] = then
    ledger.submit(ChangeSet(number: number, changes: changes))
    return true
  }

  /// Hands over what the turn has brought; to be called at its end.
  func handOver(_ uses: [KeyUse]) {
    for use in uses { outbox.append(.use(use)) }
    ledger.submit(&outbox)
  }

  /// Takes results; to be called when the ledger rings.
  func collect() {
    let standing = ledger.collect(&completions, &finishedSets)
    if standing != self.standing {
      self.standing = standing
      if case .failed(let code) = standing { Log.write(.core(.ledgerFailed(code: code))) }
      onStanding?(standing)
    }
    operationCount -= completions.count
    for completion in completions { onCompletion?(completion) }
    completions.removeAll(keepingCapacity: true)
    let finished = finishedSets
    finishedSets.removeAll(keepingCapacity: true)
    for set in finished { sets.removeValue(forKey: set.number)?(!set.failed) }
  }

  /// Ends the thread once everything is on disk; `standing` becomes `closed`.
  func close() {
    ledger.submit(&outbox)
    ledger.close()
  }
}
