import PMStore
import PMSystem
import PMWire
import Scratch

@testable import PMCore

func reservation(_ id: RequestID, _ nanoEuro: Int64? = 1000) -> ReservationRow {
  ReservationRow(
    id: id, key: 1, model: ModelIndex(row: 1), route: .chat, reservedNanoEuro: nanoEuro, price: 1,
    priceTable: 1)
}

func settlement(
  _ id: RequestID, _ nanoEuro: Int64? = 600, reserved: Int64? = 1000, state: RequestState = .settled
) -> SettlementRow {
  SettlementRow(
    id: id, state: state,
    usage: Usage(prompt: 30, cached: 10, output: 5, source: .upstream), costNanoEuro: nanoEuro,
    reservedNanoEuro: reserved, status: 200, firstByteMilliseconds: 7, totalMilliseconds: 70)
}

func newID(at time: WallTime = .now()) -> RequestID {
  RequestID(at: time, random: (.random(in: .min ... .max), .random(in: .min ... .max)))
}

/// Writes requests of all kinds, while the clock goes on and back.
struct RandomLedger {
  var random: SeededRandom
  /// Microseconds.
  var clock: Int64 = 1_700_000_000_000_000
  /// The longest time from one request to the next.
  var pauseMicrosecondsMax: Int64 = 400_000_000
  /// Sums that do not fit are as likely as any.
  var hasHugeCounts = false
  private var open: [ReservationRow] = []

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  /// A batch of some new requests, and of ends of some that are under way.
  mutating func batch() -> [LedgerOperation] {
    if Int.random(in: 0..<20, using: &random) == 0 {
      clock -= .random(in: 0...100_000_000_000, using: &random)
    }
    var batch: [LedgerOperation] = []
    for _ in 0..<Int.random(in: 1...40, using: &random) {
      clock += .random(in: 0...pauseMicrosecondsMax, using: &random)
      let row = newReservation()
      open.append(row)
      batch.append(.reserve(row, token: 0))
    }
    open.shuffle(using: &random)
    while open.count > 30, let row = open.popLast() { batch.append(.settle(end(row), token: 0)) }
    return batch
  }

  /// Batches until so many requests have begun.
  mutating func write(_ count: Int, by writer: LedgerWriter) throws(StoreError) {
    var written = 0
    while written < count {
      let batch = batch()
      try writer.write(batch)
      written += batch.count / 2
    }
  }

  private mutating func newReservation() -> ReservationRow {
    let bits = (UInt64.random(in: .min ... .max, using: &random), UInt64(bitPattern: clock))
    return ReservationRow(
      id: RequestID(at: WallTime(microseconds: clock), random: bits),
      key: .random(in: 1...4, using: &random),
      model: ModelIndex(row: .random(in: 1...3, using: &random)),
      route: [.chat, .embeddings, .transcriptions].randomElement(using: &random) ?? .chat,
      reservedNanoEuro: .random(in: 0...4, using: &random) == 0 ? nil : 1_000_000_000,
      reservedTokens: Bool.random(using: &random) ? nil : 4096, price: 1, priceTable: 1)
  }

  private mutating func end(_ row: ReservationRow) -> SettlementRow {
    var usage = Usage(
      prompt: count(), cached: .random(in: 0...100, using: &random), output: count(),
      source: .upstream)
    if row.route == .transcriptions { (usage.audioMilliseconds, usage.bytes) = (count(), count()) }
    let isReleased = Int.random(in: 0..<10, using: &random) == 0
    if isReleased { usage = Usage() }
    return SettlementRow(
      id: row.id, state: isReleased ? .released : .settled, usage: usage,
      costNanoEuro: row.reservedNanoEuro.map { _ in isReleased ? 0 : count() },
      reservedNanoEuro: row.reservedNanoEuro, status: isReleased ? 503 : 200,
      firstByteMilliseconds: isReleased ? nil : 17, totalMilliseconds: 170)
  }

  private mutating func count() -> Int64 {
    .random(in: 0...(hasHugeCounts ? Int64.max : 1_000_000_000), using: &random)
  }
}

extension LedgerWriter {
  /// The writer of a new ledger in that folder, without a loop.
  convenience init(new scratch: Scratch) throws {
    let path = scratch.file(LedgerSchema.fileName)
    _ = try LedgerContents.open(path: path, at: .now())
    try self.init(path: path)
  }
}
