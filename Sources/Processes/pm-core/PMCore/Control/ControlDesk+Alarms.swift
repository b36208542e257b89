import PMJSON
import PMWire

extension ControlDesk {
  /// The newest first.
  var alarmsJSON: JSONValue {
    ["alarms": .array(accounts.alarms.alarms.reversed().map(\.entry.json))]
  }

  func acknowledge(
    _ row: Int64, _ body: [UInt8], _ caller: Caller, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    let confirmation = try CoreControl.Confirmation(body: body)
    let alarms = accounts.alarms
    guard let alarm = alarms.acknowledged(row, at: caller.time) else {
      return reply(.error(404, "alarm_not_found", "There is no such alarm."))
    }
    perform(reply) { () throws(KeyRefusal) in
      let before = alarms.alarms.first { $0.row == row }
      let audit = caller.audit(
        "acknowledge", "alarm \(row)", confirmation.reason, before: before?.entry.json,
        after: alarm.entry.json)
      return Outcome(
        changes: [.putAlarm(alarm), audit], apply: { alarms.put(alarm) },
        answer: { .ok(alarm.entry.json) })
    }
  }
}
