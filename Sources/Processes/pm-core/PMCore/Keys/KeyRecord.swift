import PMSystem
import PMWire

/// A key in force on the loop: its details, and the places that it has taken. One object for the
/// life of a key, so that a request can hold it while the key changes.
final class KeyRecord {
  private(set) var details: KeyDetails
  /// Nil without a limit of its own.
  var window: AdmissionWindow?
  private var windowSeconds = 0

  init(_ details: KeyDetails) { self.details = details }

  var row: Int64 { details.row }
  var id: String { details.id }

  /// Puts changed details in force.
  func change(to details: KeyDetails) {
    precondition(details.row == row, "a key keeps its row")
    self.details = details
    if details.limits.requests == nil { window = nil }
  }

  /// Notes the day of use; false if it is noted already.
  func noteUse(day: Int32) -> Bool {
    if details.lastUsedDay == day { return false }
    details.lastUsedDay = day
    return true
  }

  /// Makes the window what limit and length say now.
  func fitWindow(seconds: Int) {
    guard let limit = details.limits.requests else { return }
    if window == nil {
      window = AdmissionWindow(limit: limit, seconds: seconds)
    } else if window?.limit != limit || windowSeconds != seconds {
      window?.change(limit: limit, seconds: seconds)
    }
    windowSeconds = seconds
  }
}
