/// The exit codes of our processes and of `pmctl`.
public enum ExitCode {
  // Children, as pmctl reads them.
  /// Asked to leave and left.
  public static let done: Int32 = 0
  /// Resources lacked (EAGAIN, ENOMEM): worth another try (sysexits.h, EX_TEMPFAIL).
  public static let transient: Int32 = 75
  /// The configuration is wrong: no retry heals it (sysexits.h, EX_CONFIG).
  public static let configuration: Int32 = 78
  /// pm-launch could not build the sandbox.
  public static let sandbox: Int32 = 125

  // pmctl's orders.
  public static let failed: Int32 = 1
  public static let usage: Int32 = 2
  public static let refused: Int32 = 5
  public static let timedOut: Int32 = 6
  public static let keptOld: Int32 = 7

  // `pmctl status`: 3 and 4 as LSB means them, 150 and 151 from the range it leaves to programs.
  public static let nothingRuns: Int32 = 3
  public static let noAnswer: Int32 = 4
  public static let degraded: Int32 = 150
  public static let gateShut: Int32 = 151
}
