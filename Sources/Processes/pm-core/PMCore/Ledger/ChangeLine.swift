import PMSystem

/// Changes one after another: each is computed when the one before it is on disk and in force, so
/// that no change is ever computed from what another is about to replace.
final class ChangeLine {
  /// Changes that wait; administration is slow and rare.
  static let waitingMax = 64
  /// How long a debt waits after the ledger refused it.
  static let debtMilliseconds: UInt64 = 500

  /// What a change writes, and what happens when it is on disk or has failed.
  struct Change {
    var changes: [LedgerChange]
    var then: (Bool) -> Void
  }

  /// What is in force already and must be written, whatever it takes.
  private struct Debt {
    let changes: [LedgerChange]
    let then: () -> Void
  }

  private let submit: (ChangeSet) -> Void
  private unowned let loop: EventLoop
  private var alarm: Alarm?
  private var debts: [Debt] = []
  private var isPausing = false
  private var waiting: [() -> Change?] = []
  private var current: ((Bool) -> Void)?
  private var number: UInt64 = 0

  /// `submit` hands a set to the ledger; its result comes back through `finish`.
  init(in loop: EventLoop, submit: @escaping (ChangeSet) -> Void) throws(SystemError) {
    self.loop = loop
    self.submit = submit
    let alarm = Alarm { [unowned self] in
      isPausing = false
      advance()
    }
    self.alarm = alarm
    try loop.add(alarm)
  }

  /// Lines up a change; `prepare` is called when it is its turn, and may find that there is nothing
  /// to do. False if too many wait.
  func enter(_ prepare: @escaping () -> Change?) -> Bool {
    guard waiting.count < Self.waitingMax else { return false }
    waiting.append(prepare)
    isPausing = false
    advance()
    return true
  }

  /// Writes what is in force already, before any other change and again until it is on disk.
  func insist(_ changes: [LedgerChange], then: @escaping () -> Void = {}) {
    debts.append(Debt(changes: changes, then: then))
    advance()
  }

  /// Takes the results that the ledger gave back.
  func finish(_ sets: [(number: UInt64, failed: Bool)]) {
    for set in sets where set.number == number {
      let then = current
      current = nil
      then?(!set.failed)
    }
    advance()
  }

  private func advance() {
    while current == nil, !isPausing {
      if let debt = debts.first {
        write(debt.changes) { [unowned self] done in paid(debt, done) }
      } else if !waiting.isEmpty {
        if let change = waiting.removeFirst()() { write(change.changes, change.then) }
      } else {
        return
      }
    }
  }

  private func write(_ changes: [LedgerChange], _ then: @escaping (Bool) -> Void) {
    number += 1
    current = then
    submit(ChangeSet(number: number, changes: changes))
  }

  private func paid(_ debt: Debt, _ done: Bool) {
    if done {
      debts.removeFirst()
      return debt.then()
    }
    isPausing = true
    if let alarm { loop.setDeadline(alarm, loop.now.adding(milliseconds: Self.debtMilliseconds)) }
    // Written now, a later change would be overwritten when the debt is paid.
    let refused = waiting
    waiting = []
    for prepare in refused { prepare()?.then(false) }
  }
}
