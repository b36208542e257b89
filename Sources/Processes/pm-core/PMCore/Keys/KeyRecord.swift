import PMSystem
import PMWire

/// A key in force on the loop: its details, and what it has taken of its limits. One object for the
/// life of a key, so that a request can hold it while the key changes.
final class KeyRecord {
  private(set) var details: KeyDetails
  var allowance: Allowance
  /// Number of its last serving by the vendor's share; 0 for none.
  var lastServing: UInt64 = 0

  init(_ details: KeyDetails) {
    self.details = details
    allowance = Allowance(limits: details.limits)
  }

  var row: Int64 { details.row }
  var id: String { details.id }

  /// Puts changed details in force.
  func change(to details: KeyDetails) {
    precondition(details.row == row, "a key keeps its row")
    self.details = details
    allowance.limits = details.limits
  }

  /// Notes the day of use; false if it is noted already.
  func noteUse(day: Int32) -> Bool {
    if details.lastUsedDay == day { return false }
    details.lastUsedDay = day
    return true
  }
}
