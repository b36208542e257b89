import PMJSON
import PMStore
import PMSystem
import PMWire
import Scratch
import Testing

@testable import PMCore

/// Accounts, ledger and control desk on a loop that the test turns; what core is without its relay.
final class Bench {
  let scratch: Scratch
  let loop: EventLoop
  let accounts: Accounts
  let ledger: Ledger
  let desk: ControlDesk
  private let wake: Wake
  private let inbox = Inbox()

  /// What the ledger gave back.
  final class Inbox {
    var ledger: Ledger?
    var desk: ControlDesk?
    var completions: [UInt64: Bool] = [:]
    var standing = LedgerStanding.open

    func collect() {
      var fresh: [LedgerCompletion] = []
      var sets: [(number: UInt64, failed: Bool)] = []
      if let now = ledger?.collect(&fresh, &sets) { standing = now }
      for completion in fresh { completions[completion.token] = completion.failed }
      desk?.finish(sets)
    }
  }

  init(
    _ scratch: Scratch, keysFile: String? = nil, limits: RequestLimits = RequestLimits(),
    administrators: Bool = true
  ) throws {
    self.scratch = scratch
    loop = try EventLoop()
    let place = AccountsPlace(
      stateDirectory: scratch.path, credentialsDirectory: scratch.path, limits: limits)
    accounts = try Accounts(place, now: .now(), wall: .now())
    let inbox = inbox
    wake = try Wake { inbox.collect() }
    try loop.add(wake)
    ledger = try Ledger(path: accounts.ledgerPath, loopBell: wake.bell)
    desk = try ControlDesk(
      accounts, ledger, in: loop, access: ControlAccess(administrators: [], page: 4242),
      keysFile: keysFile.map { scratch.file($0) })
    inbox.ledger = ledger
    inbox.desk = desk
    desk.ledgerStanding = { inbox.standing }
  }

  /// Otherwise the threads would outlive the descriptors that they ring.
  deinit {
    turn(until: { desk.reader.waitingCount == 0 })
    ledger.close()
    turn(until: { inbox.standing == .closed })
  }

  var standing: LedgerStanding { inbox.standing }

  /// How long anything here may take, on a busy machine.
  static let patienceSeconds: UInt64 = 20

  /// Turns the loop until something is so.
  func turn(
    until isSo: () -> Bool, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let end = Instant.now().adding(seconds: Self.patienceSeconds)
    while !isSo() {
      guard Instant.now() < end else {
        Issue.record("waited too long", sourceLocation: sourceLocation)
        return
      }
      loop.turn(waitMillisecondsMax: 50)
    }
  }

  func turn(milliseconds: UInt64) {
    let end = Instant.now().adding(milliseconds: milliseconds)
    while Instant.now() < end { loop.turn(waitMillisecondsMax: 10) }
  }

  // MARK: Ledger

  /// Submits operations; true for each token that reached the disk.
  func commit(_ operations: [LedgerOperation]) -> [UInt64: Bool] {
    var outbox = operations
    let tokens = operations.compactMap { operation -> UInt64? in
      switch operation {
      case .reserve(_, let token), .settle(_, let token): token
      case .use: nil
      }
    }
    for token in tokens { inbox.completions[token] = nil }
    ledger.submit(&outbox)
    turn(until: { tokens.allSatisfy { self.inbox.completions[$0] != nil } })
    return Dictionary(uniqueKeysWithValues: tokens.map { ($0, inbox.completions[$0] == false) })
  }

  func close() {
    ledger.close()
    turn(until: { self.standing == .closed })
  }

  // MARK: Control

  func ask(
    _ method: String, _ target: String, _ body: JSONValue? = nil, uid: UInt32? = nil
  ) -> ControlResponse {
    ask(method, target, bytes: body?.utf8 ?? [], uid: uid)
  }

  func ask(
    _ method: String, _ target: String, bytes: [UInt8], uid: UInt32? = nil
  ) -> ControlResponse {
    var answer: ControlResponse?
    let peer = PeerIdentity(pid: 1, uid: uid ?? PeerIdentity.ownUID, gid: 0)
    desk.handle(method: method, target: target, body: bytes, peer: peer) { answer = $0 }
    turn(until: { answer != nil })
    return answer ?? ControlResponse(0)
  }

  func check(_ secret: String, at time: WallTime = .now()) -> KeyCheck {
    accounts.keys.check(Array(secret.utf8).span, at: time)
  }

  /// A fresh connection that only reads.
  func reader() throws -> Database { try Database(path: accounts.ledgerPath, .readOnly) }
}

extension ControlResponse {
  var json: JSONValue { if case .json(let value) = body { value } else { .null } }
  var errorCode: String? { json["error"]?["code"]?.string }
}

extension KeyCheck {
  var word: String {
    switch self {
    case .valid(let key): "valid \(key.id)"
    case .unknown: "unknown"
    case .expired(let key): "expired \(key.id)"
    case .disabled(let key): "disabled \(key.id)"
    }
  }
}
