/// What a verdict mentions although it does not refuse: the closed set.
public enum Warning: String, CaseIterable, Sendable {
  /// The chip is a Milan: its root seed can be extracted, and no report shows whether it was.
  case milanWeak = "milan-weak"
  /// Firmware newer than the committed one runs, so that the host may go back (`current_tcb` above
  /// `committed_tcb`).
  case provisional
  /// The configuration replaced a floor of the table.
  case floorOverride = "floor-override"

  /// What it means, in one sentence.
  public var explanation: String {
    switch self {
    case .milanWeak:
      "The seed of such a chip can be extracted and its reports forged (AMD-SB-3045); no report "
        + "shows whether that happened."
    case .provisional: "The host runs newer firmware than it has committed to, and may go back."
    case .floorOverride: "The configuration sets another floor for this firmware than the table."
    }
  }
}
