import PMJSON
import PMSystem
import PMWire

extension ControlDesk {
  func answerKeys(
    _ act: CoreControl.Act, _ query: ControlQuery, _ body: [UInt8], _ caller: Caller,
    _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    let register = accounts.register
    let time = caller.time
    switch act {
    case .showKey(let id):
      guard let record = accounts.keys.record(id) else { return reply(.refusal(.notFound)) }
      reply(.ok(entry(record.details, at: time).json))
    case .createKey:
      let new = try CoreControl.NewKey(body: body)
      perform(reply) { [self] () throws(KeyRefusal) in
        let (details, secret) = try register.create(new, at: time)
        return put(
          details, caller, "create", new.reason, details.changes(since: nil), secret: secret,
          status: 201)
      }
    case .changeKey(let id):
      let change = try CoreControl.KeyChange(body: body)
      perform(reply) { [self] () throws(KeyRefusal) in
        let before = try register.details(id)
        let details = try register.change(id, change)
        return put(details, caller, "change", change.reason, details.changes(since: before))
      }
    case .rotateKey(let id):
      let rotation = try CoreControl.Rotation(body: body)
      perform(reply) { [self] () throws(KeyRefusal) in
        let (details, secret) = try register.rotate(id, rotation, at: time)
        let changes: JSONValue = ["overlap_seconds": .integer(rotation.overlapSeconds)]
        return put(details, caller, "rotate", rotation.reason, changes, secret: secret)
      }
    case .deleteKey(let id): try delete(id, body, caller, reply)
    case .revokeKey(let id):
      try confirmed("revoke", id, body, caller, reply) { () throws(KeyRefusal) in
        try register.revoke(id, at: time)
      }
    case .enableKey(let id):
      try confirmed("enable", id, body, caller, reply) { () throws(KeyRefusal) in
        try register.enable(id)
      }
    case .adoptKey(let id):
      try confirmed("adopt", id, body, caller, reply) { () throws(KeyRefusal) in
        try register.adopt(id)
      }
    case .importKeys: importKeys(query, body, caller, reply)
    default:
      let entries = accounts.keys.allDetails.map { entry($0, at: time).json }
      reply(.ok(["keys": .array(entries)]))
    }
  }

  func entry(
    _ details: KeyDetails, at time: WallTime, secret: String? = nil
  ) -> CoreControl.KeyEntry {
    details.entry(at: time, isFileGone: accounts.keys.isFileGone, secret: secret)
  }

  /// What a change of one key writes; `details` is the key as it then is.
  private func put(
    _ details: KeyDetails, _ caller: Caller, _ action: String, _ reason: String?,
    _ changes: JSONValue? = nil, secret: String? = nil, status: Int = 200
  ) -> Outcome {
    let before = accounts.keys.record(details.id)?.details.auditState
    let audit = caller.audit(
      action, details.id, reason, changes, before: before, after: details.auditState)
    return Outcome(
      changes: [.putKey(details), audit], apply: { [accounts] in accounts.keys.put(details) },
      answer: { [self] in
        ControlResponse(status, .json(entry(details, at: caller.time, secret: secret).json))
      })
  }

  private func confirmed(
    _ action: String, _ id: String, _ body: [UInt8], _ caller: Caller, _ reply: @escaping Reply,
    _ compute: @escaping () throws(KeyRefusal) -> KeyDetails
  ) throws(CoreControl.Fault) {
    let confirmation = try CoreControl.Confirmation(body: body)
    perform(reply) { [self] () throws(KeyRefusal) in
      put(try compute(), caller, action, confirmation.reason)
    }
  }

  /// A key of the ledger goes for good; one of a file or variable is barred, as its source still
  /// holds it.
  private func delete(
    _ id: String, _ body: [UInt8], _ caller: Caller, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    let confirmation = try CoreControl.Confirmation(body: body)
    let (keys, register) = (accounts.keys, accounts.register)
    perform(reply) { () throws(KeyRefusal) in
      let details = try register.details(id)
      let gone = { ControlResponse(204) }
      func audit(_ after: JSONValue?) -> LedgerChange {
        caller.audit(
          "delete", id, confirmation.reason, before: details.auditState, after: after)
      }
      guard details.source == .store else {
        let barred = try register.revoke(id, at: caller.time)
        return Outcome(
          changes: [.putKey(barred), audit(barred.auditState)], apply: { keys.put(barred) },
          answer: gone)
      }
      return Outcome(
        changes: [.deleteKey(row: details.row, at: caller.time), audit(nil)],
        apply: {
          keys.remove(id)
          register.retire(details)
        }, answer: gone)
    }
  }

  private func importKeys(
    _ query: ControlQuery, _ body: [UInt8], _ caller: Caller, _ reply: @escaping Reply
  ) {
    let (keys, register) = (accounts.keys, accounts.register)
    guard let reading = KeyFileReading(body, digester: keys.digester) else {
      return reply(
        .error(422, "not_a_keys_file", "The file is not JSON of the form {\"keys\": [...]}."))
    }
    let isDry = query.isSet(CoreControl.dryRun)
    let skips = query.isSet(CoreControl.skipRefused)
    let isLined = line.enter {
      var plan = KeyImport(reading, into: keys, register, at: caller.time)
      let isRefused = !plan.report.refused.isEmpty && !skips
      if isDry || isRefused || plan.puts.isEmpty {
        if !isDry, !isRefused { plan.markApplied() }
        reply(ControlResponse(isRefused && !isDry ? 409 : 200, .json(plan.report.json)))
        return nil
      }
      plan.markApplied()
      let (puts, report) = (plan.puts, plan.report)
      let counts: JSONValue = [
        "new": .integer(Int64(report.new)), "changed": .integer(Int64(report.changed)),
        "refused": .integer(Int64(report.refused.count)),
      ]
      let before = puts.compactMap { keys.record($0.id)?.details.auditState }
      let audit = caller.audit(
        "import", nil, nil, counts, before: .array(before), after: .array(puts.map(\.auditState)))
      let changes = puts.map { LedgerChange.putKey($0) } + [audit]
      return ChangeLine.Change(changes: changes) { done in
        guard done else { return reply(.ledgerUnavailable) }
        for details in puts { keys.put(details) }
        reply(.ok(report.json))
      }
    }
    if !isLined { reply(.busy) }
  }
}

extension KeyDetails {
  static let holderMembers = ["description", "owner", "tags"]

  /// The members that people set.
  private var terms: [JSONObject.Member] {
    let own: [JSONObject.Member] = [
      .init("description", .string(description)),
      .init("expires_at", expiresAt?.unixSeconds ?? .null),
    ]
    return own + limits.members + policy.members
  }

  /// What became of those members, for the audit. Of what names the holder it only says that it
  /// changed: the audit is for ever, the holder's name goes with the key.
  fileprivate func changes(since before: KeyDetails?) -> JSONValue {
    let new = KeyDetails(row: row, id: id, createdAt: createdAt, source: source)
    let changed = zip(terms, (before ?? new).terms).filter { $0.0 != $0.1 }.map(\.0)
    let named = changed.map(\.name).filter { Self.holderMembers.contains($0) }
    var object = JSONObject(changed.filter { !Self.holderMembers.contains($0.name) })
    if !named.isEmpty { object["renamed"] = .array(named.map { .string($0) }) }
    return .object(object)
  }
}
