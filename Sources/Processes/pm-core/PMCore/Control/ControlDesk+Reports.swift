import PMCrypto
import PMJSON
import PMStore
import PMSystem
import PMWire

extension ControlDesk {
  func changeSettings(
    _ body: [UInt8], _ caller: Caller, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    let change = try CoreControl.LimitChange(body: body)
    let values = change.values
    let settings = accounts.settings
    perform(reply) { () throws(KeyRefusal) in
      var after = settings.saved
      for (setting, value) in values { after[setting] = value }
      let audit = caller.audit(
        "settings", nil, change.reason, change.valuesJSON,
        before: Self.auditState(settings.saved), after: Self.auditState(after))
      return Outcome(
        changes: values.map { .putSetting($0.setting, $0.value) } + [audit],
        apply: { settings.apply(values) }, answer: { .ok(settings.inForce.json) })
    }
  }

  private static func auditState(_ saved: [CoreControl.Setting: Int64]) -> JSONValue {
    .object(JSONObject(saved.map { JSONObject.Member($0.key.rawValue, .integer($0.value)) }))
  }

  // MARK: Usage

  func readUsage(
    _ query: ControlQuery, _ caller: Caller, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    let period = try period(query, at: caller.time)
    let summary = UsageSummary(period: period, key: try keyRow(query))
    ask(reply) { (database) throws(StoreError) in try summary.answer(database) }
  }

  func readRows(
    _ query: ControlQuery, _ caller: Caller, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    var after: RequestID?
    if let text = query["after"] {
      guard let id = RequestID(Array(text.utf8).span) else {
        throw CoreControl.Fault("after", .wrongType)
      }
      after = id
    }
    let page = UsagePage(
      period: try period(query, at: caller.time), key: try keyRow(query), after: after,
      limit: try limit(query), isCSV: try isCSV(query))
    ask(reply) { (database) throws(StoreError) in try page.answer(database) }
  }

  func exportUsage(
    _ query: ControlQuery, _ caller: Caller, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    guard let groups = UsageExport.Group.list(query["by"] ?? "") else {
      throw CoreControl.Fault("by", .unknown)
    }
    let export = UsageExport(
      groups: groups, period: try period(query, at: caller.time), key: try keyRow(query),
      isCSV: try isCSV(query))
    ask(reply) { (database) throws(StoreError) in try export.answer(database) }
  }

  private func isCSV(_ query: ControlQuery) throws(CoreControl.Fault) -> Bool {
    switch query["format"] ?? "json" {
    case "json": return false
    case "csv": return true
    default: throw CoreControl.Fault("format", .unknown)
    }
  }

  private func limit(_ query: ControlQuery) throws(CoreControl.Fault) -> Int {
    guard let text = query["limit"] else { return UsagePage.rowsDefault }
    guard let limit = Int(text), (1...UsagePage.rowsMax).contains(limit) else {
      throw CoreControl.Fault("limit", .outOfRange(1...Int64(UsagePage.rowsMax)))
    }
    return limit
  }

  /// `start` and `end` (RFC 3339 or unix seconds) together, else `period`.
  private func period(
    _ query: ControlQuery, at time: WallTime
  ) throws(CoreControl.Fault) -> UsagePeriod {
    guard query["start"] != nil || query["end"] != nil else {
      return UsagePeriod(query["period"] ?? "month", at: time)
    }
    guard let start = query.time("start") else { throw CoreControl.Fault("start", .wrongType) }
    guard let end = query.time("end"), start < end else {
      throw CoreControl.Fault("end", .wrongType)
    }
    return UsagePeriod(start: start, end: end)
  }

  /// Deleted keys are found too: their usage stays.
  private func keyRow(_ query: ControlQuery) throws(CoreControl.Fault) -> Int64? {
    guard let id = query["key_id"], !id.isEmpty else { return nil }
    guard let row = accounts.register.knownRow(id) else {
      throw CoreControl.Fault("key_id", .unknown)
    }
    return row
  }

  // MARK: Audit and status

  /// The newest entries first; `before` is a row of the page before.
  func readAudit(
    _ query: ControlQuery, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    let limit = try limit(query)
    var before = Int64.max
    if let text = query["before"] {
      guard let row = Int64(text) else { throw CoreControl.Fault("before", .wrongType) }
      before = row
    }
    let first = before
    ask(reply) { (database) throws(StoreError) in
      let rows = try database.prepare(
        """
        SELECT row, at, actor, uid, action, target, reason, changes, before, after, head FROM audit
        WHERE row < ?1 ORDER BY row DESC LIMIT ?2
        """)
      try rows.bind(1, first)
      try rows.bind(2, Int64(limit))
      var entries: [JSONValue] = []
      while try rows.step() {
        func text(_ column: Int32) -> JSONValue {
          rows.textOrNil(column).map { .string($0) } ?? .null
        }
        func digest(_ column: Int32) -> JSONValue {
          rows.isNull(column) ? .null : .string(Hex.text(rows.blob(column).span))
        }
        let changes = rows.textOrNil(7).flatMap { try? JSONReader.read($0) } ?? .null
        entries.append([
          "row": .integer(rows.integer(0)),
          "time": .string(WallTime(microseconds: rows.integer(1)).civil.rfc3339), "actor": text(2),
          "uid": .integer(rows.integer(3)), "action": text(4), "target": text(5),
          "reason": text(6), "changes": changes, "before": digest(8), "after": digest(9),
          "head": digest(10),
        ])
      }
      return .ok(["audit": .array(entries)])
    }
  }

  func statusJSON(at time: WallTime) -> JSONValue {
    let standing = ledgerStanding()
    let all = accounts.keys.allDetails
    func count(_ source: KeySource) -> JSONValue {
      .integer(Int64(all.filter { $0.source == source }.count))
    }
    return [
      "ledger": [
        "state": .string(isDamaged ? "damaged" : standing.word),
        "code": .integer(Int64(standing.code)),
        "unsettled_at_start": .integer(Int64(accounts.unsettled)),
        "above_reservation": .integer(Int64(ledger.aboveReservationCount)),
      ],
      "keys": [
        "total": .integer(Int64(all.count)),
        "usable": .integer(
          Int64(all.filter { entry($0, at: time).status == .enabled }.count)),
        "weak": .integer(Int64(all.filter(\.isWeak).count)), "store": count(.store),
        "file": count(.file), "environment": count(.environment),
      ],
      "keys_file": watcher?.standing.json ?? .null,
      "models": .integer(Int64(accounts.models.count - 1)),
      "price_table": .integer(Int64(accounts.prices.table)),
      "alarms": .integer(Int64(accounts.alarms.openCount)),
    ]
  }
}

extension LedgerStanding {
  fileprivate var word: String {
    switch self {
    case .open: "open"
    case .failed: "failed"
    case .closed: "closed"
    }
  }
  fileprivate var code: Int32 { if case .failed(let code) = self { code } else { 0 } }
}

extension KeysFileWatcher.Standing {
  fileprivate var json: JSONValue {
    switch self {
    case .unknown: ["state": "unknown"]
    case .loaded(let keys, let shadowed):
      [
        "state": "loaded", "keys": .integer(Int64(keys)), "shadowed": .integer(Int64(shadowed)),
      ]
    case .refused(let remarks):
      [
        "state": "refused",
        "refused": .array(
          remarks.map { remark in
            [
              "position": .integer(Int64(remark.position)),
              "key_id": remark.id.map { .string($0) } ?? .null,
              "reason": .string(remark.reason.word),
            ]
          }),
      ]
    case .unreadable: ["state": "unreadable"]
    case .gone: ["state": "gone"]
    }
  }
}
