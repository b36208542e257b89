internal import PMLog
internal import PMSystem

/// Writes the supervisor's events and keeps the newest lines for `pmctl logs`.
final class Journal {
  private(set) var lines: [String] = []

  func note(_ event: SupervisorEvent) {
    let time = WallTime.now()
    Log.write(.supervisor(event), at: time)
    if lines.count >= RuntimeLimits.journalLinesMax { lines.removeFirst() }
    lines.append(Log.line(.supervisor(event), at: time))
  }
}
