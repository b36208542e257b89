import PMJSON
import PMLog
import PMStore
import PMSystem
import PMWire

/// Answers the control socket: who asks, what is asked, and the answer once it is on disk. It knows
/// nothing of HTTP but methods, targets and statuses, and lives on the loop.
final class ControlDesk {
  typealias Reply = (ControlResponse) -> Void

  let accounts: Accounts
  let line: ChangeLine
  let reader: LedgerReader
  /// Another, as what looks through everything would keep reports waiting.
  let verifier: LedgerReader
  let ledger: Ledger
  let watcher: KeysFileWatcher?
  let backups: BackupDesk
  private let access: ControlAccess
  /// How the ledger stands, as the loop knows it.
  var ledgerStanding: () -> LedgerStanding = { .open }
  /// What core counts, as the relay tells it.
  var metricText: () -> String = { "" }
  /// True once a reading has shown the ledger's file to be damaged; nothing is written any more.
  private(set) var isDamaged = false

  /// Takes over the accounts' changes. `keysFile` is watched from now on.
  init(
    _ accounts: Accounts, _ ledger: Ledger, in loop: EventLoop, access: ControlAccess,
    keysFile: String?
  ) throws(AccountsError) {
    self.accounts = accounts
    self.ledger = ledger
    self.access = access
    do throws(SystemError) {
      let line = try ChangeLine(in: loop) { ledger.submit($0) }
      self.line = line
      reader = try LedgerReader(path: accounts.ledgerPath, loop: loop)
      verifier = try LedgerReader(path: accounts.ledgerPath, loop: loop)
      backups = try BackupDesk(accounts.backupSource, in: loop)
      watcher = try keysFile.map { path throws(SystemError) in
        let watcher = KeysFileWatcher(
          path, in: loop, keys: accounts.keys, register: accounts.register,
          environment: accounts.environment, line: line)
        try loop.add(watcher)
        return watcher
      }
    } catch { throw .system(error) }
    let line = line
    accounts.alarms.onChange = { line.insist($0) }
    accounts.models.onNewName = { row, name in line.insist([.addModel(row: row, name: name)]) }
    watcher?.poll()
    checkLargeFile()
  }

  /// Takes what the ledger gave back of change sets.
  func finish(_ sets: [(number: UInt64, failed: Bool)]) { line.finish(sets) }

  /// A file that was too large to look through at start is looked through now.
  private func checkLargeFile() {
    _ = verifier.ask(
      { (database) throws(StoreError) in
        if try database.fileBytes() > LedgerContents.checkedAtStartBytesMax {
          try database.checkStructure()
        }
        return ControlResponse(204)
      }, then: { [weak self] result in self?.noteDamage(result) })
  }

  private func noteDamage(_ result: Result<ControlResponse, StoreError>) {
    guard result == .failure(.damaged), !isDamaged else { return }
    isDamaged = true
    ledger.condemn()
    Log.write(.core(.ledgerRefused(reason: "damaged")))
  }

  /// Answers a request; `reply` is called once, now or later.
  func handle(
    method: String, target: String, body: [UInt8], peer: PeerIdentity, reply: @escaping Reply
  ) {
    guard let role = access.role(of: peer) else { return reply(.forbidden) }
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    guard let query = ControlQuery(parts.count == 2 ? parts[1] : "") else {
      return reply(.error(400, "invalid_query", "The query is not properly encoded."))
    }
    let (act, methods) = CoreControl.Act.find(method: method, path: String(parts[0]))
    guard let act else {
      if methods.isEmpty { return reply(.error(404, "unknown_url", "There is no such path.")) }
      var response = ControlResponse.error(
        405, "method_not_supported", "This path does not take this method.")
      response.allowedMethods = methods
      return reply(response)
    }
    guard role == .administrator || !act.isForAdministrators else { return reply(.forbidden) }
    let caller = Caller(role: role, uid: peer.uid, time: .now())
    do throws(CoreControl.Fault) {
      try answer(act, query, body, caller, reply)
    } catch {
      let status = error.problem == .notJSON ? 400 : 422
      reply(.error(status, "invalid_value", error.text, member: error.member))
    }
  }

  /// Who asked, and when.
  struct Caller {
    let role: ControlRole
    let uid: UInt32
    let time: WallTime

    func audit(
      _ action: String, _ target: String?, _ reason: String?, _ changes: JSONValue? = nil,
      before: JSONValue? = nil, after: JSONValue? = nil
    ) -> LedgerChange {
      let entry = AuditEntry(
        at: time, actor: role.rawValue, uid: uid, action: action, target: target, reason: reason,
        changes: changes?.text)
      return .audit(entry.changing(before, after))
    }
  }

  private func answer(
    _ act: CoreControl.Act, _ query: ControlQuery, _ body: [UInt8], _ caller: Caller,
    _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    switch act {
    case .listKeys, .showKey, .createKey, .changeKey, .deleteKey, .revokeKey, .enableKey,
      .rotateKey, .adoptKey, .importKeys:
      try answerKeys(act, query, body, caller, reply)
    case .readSettings: reply(.ok(accounts.settings.inForce.json))
    case .changeSettings: try changeSettings(body, caller, reply)
    case .readUsage: try readUsage(query, caller, reply)
    case .readRows: try readRows(query, caller, reply)
    case .exportUsage: try exportUsage(query, caller, reply)
    case .readAudit: try readAudit(query, reply)
    case .verifyLedger: try verifyLedger(query, reply)
    case .listPrices: reply(.ok(priceList(at: caller.time).json))
    case .addPrice: try addPrice(body, caller, reply)
    case .listAlarms: reply(.ok(alarmsJSON))
    case .acknowledgeAlarm(let row): try acknowledge(row, body, caller, reply)
    case .readStatus: reply(.ok(statusJSON(at: caller.time)))
    case .makeBackup: try makeBackup(body, caller, reply)
    case .readMetrics: reply(ControlResponse(200, .text(.metrics, Array(metricText().utf8))))
    }
  }

  /// What a change writes, what it puts in force once that is on disk, and its answer.
  struct Outcome {
    var changes: [LedgerChange]
    var apply: () -> Void
    var answer: () -> ControlResponse
  }

  /// Computes a change when it is its turn, and answers when it is on disk and in force.
  func perform(_ reply: @escaping Reply, _ compute: @escaping () throws(KeyRefusal) -> Outcome) {
    let isLined = line.enter {
      do throws(KeyRefusal) {
        let outcome = try compute()
        return ChangeLine.Change(changes: outcome.changes) { done in
          guard done else { return reply(.ledgerUnavailable) }
          outcome.apply()
          reply(outcome.answer())
        }
      } catch {
        reply(.refusal(error))
        return nil
      }
    }
    if !isLined { reply(.busy) }
  }

  /// Reads from the ledger on another thread; the reader's, unless another is named.
  func ask(
    _ reply: @escaping Reply, of other: LedgerReader? = nil,
    _ query: @escaping LedgerReader.Query<ControlResponse>
  ) {
    let isLined = (other ?? reader).ask(query) { [weak self] result in
      self?.noteDamage(result)
      switch result {
      case .success(let response): reply(response)
      case .failure: reply(.ledgerUnavailable)
      }
    }
    if !isLined { reply(.busy) }
  }
}

extension CoreControl.Act {
  /// What the admin pages may not do.
  fileprivate var isForAdministrators: Bool {
    switch self {
    case .importKeys, .makeBackup: true
    default: false
    }
  }
}

extension ControlResponse {
  static func refusal(_ refusal: KeyRefusal) -> ControlResponse {
    .error(refusal == .notFound ? 404 : 409, refusal.rawValue, refusal.text)
  }
}
