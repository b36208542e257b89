import PMLog
import PMSystem

/// The alarms that were raised, oldest first. It lives on the loop; the ledger is told of each
/// change.
final class AlarmBook {
  /// Far more than anybody reads; beyond, the oldest is forgotten, those in the past first.
  static let alarmsMax = 256

  private(set) var alarms: [RaisedAlarm]
  var onChange: ([LedgerChange]) -> Void = { _ in }

  /// Takes up the ledger's rows.
  init(_ alarms: [RaisedAlarm]) { self.alarms = alarms }

  /// Alarms that somebody has to look at.
  var openCount: Int { alarms.count { !$0.isPast } }

  /// Raises an alarm, unless one of the same cause has not ended.
  func raise(_ kind: AlarmKind, _ subject: AlarmSubject, at time: WallTime) {
    guard index(of: kind, subject) == nil else { return }
    var changes: [LedgerChange] = []
    let row = (alarms.last?.row ?? 0) + 1
    if alarms.count >= Self.alarmsMax {
      let oldest = alarms.remove(at: alarms.firstIndex(where: \.isPast) ?? 0)
      changes.append(.dropAlarm(row: oldest.row))
    }
    let alarm = RaisedAlarm(row: row, kind: kind, subject: subject, since: time)
    alarms.append(alarm)
    Log.write(.core(.alarmRaised(StaticWord(kind), row: row)))
    onChange(changes + [.putAlarm(alarm)])
  }

  /// Its cause has ceased; nothing happens if there is no such alarm.
  func end(_ kind: AlarmKind, _ subject: AlarmSubject, at time: WallTime) {
    guard let index = index(of: kind, subject) else { return }
    alarms[index].endedAt = time
    onChange([.putAlarm(alarms[index])])
  }

  /// The alarm as it is once somebody has seen it; nil if there is none of that number.
  func acknowledged(_ row: Int64, at time: WallTime) -> RaisedAlarm? {
    guard var alarm = alarms.first(where: { $0.row == row }) else { return nil }
    alarm.acknowledgedAt = alarm.acknowledgedAt ?? time
    return alarm
  }

  /// Puts in force what is on disk; an alarm that was forgotten meanwhile stays so.
  func put(_ alarm: RaisedAlarm) {
    guard let index = alarms.firstIndex(where: { $0.row == alarm.row }) else { return }
    alarms[index].acknowledgedAt = alarm.acknowledgedAt
  }

  private func index(of kind: AlarmKind, _ subject: AlarmSubject) -> Int? {
    alarms.firstIndex { $0.endedAt == nil && $0.kind == kind && $0.subject == subject }
  }
}
