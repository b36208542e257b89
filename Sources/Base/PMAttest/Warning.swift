/// What a verdict mentions although it does not refuse: the closed set.
public enum Warning: String, CaseIterable, Sendable {
  /// The chip is a Milan: its root seed can be extracted, and no report shows whether it was.
  case milanWeak = "milan-weak"
  /// Firmware newer than the committed one runs, so that the host may go back (`current_tcb` above
  /// `committed_tcb`).
  case provisional
  /// The configuration replaced a floor of the table.
  case floorOverride = "floor-override"
}
