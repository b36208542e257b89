/// The numbers of supervision. Those without a source are choices.
public enum Limits {
  /// From spawn to a passed probe, for our own programs.
  public static let startSeconds: UInt64 = 20
  /// The same for the vendor's: it attests first, and a silent peer would hang it for ever.
  public static let vendorStartSeconds: UInt64 = 120
  /// How long a service waits for the one before it.
  public static let orderWaitSecondsMax: UInt64 = 10
  public static let probeSeconds: UInt64 = 10
  /// Between probes while starting.
  public static let probeRetryMilliseconds: UInt64 = 50
  /// Between probes after one failed.
  public static let probeRepeatSeconds: UInt64 = 1
  /// A probe that has not answered by then has failed; its own limit is 2 s.
  public static let probeAnswerSecondsMax: UInt64 = 5
  public static let failedProbesMax = 3
  /// A child sends a heartbeat at twice this rate.
  public static let watchdogSeconds: UInt64 = 10
  public static let graceSeconds: UInt64 = 10
  public static let drainSeconds: UInt64 = 30
  /// From SIGINT to SIGKILL for the vendor: it cuts what is in flight at once.
  public static let vendorInterruptSeconds: UInt64 = 5
  /// A killed group is killed again after this time, in case something was forked meanwhile.
  public static let killRepeatSeconds: UInt64 = 5
  /// All of a shutdown; a unit's `TimeoutStopSec=` must be longer, and is 90 s if not given.
  public static let shutdownSecondsMax: UInt64 = 40

  public static let backOffMilliseconds: UInt64 = 500
  public static let backOffMillisecondsMax: UInt64 = 30_000
  public static let jitterPercent: UInt64 = 10
  /// Ready for so long, a service has recovered and its back-off starts over.
  public static let steadySeconds: UInt64 = 60
  /// Least wait after a fault of the vendor that heals slowly: its key, a roll-out.
  public static let slowHealSeconds: UInt64 = 60
  /// So many unasked exits within `steadySeconds` are reported as flapping.
  public static let flappingExits = 5

  public static let gateRetrySeconds: UInt64 = 2
  public static let gateRetrySecondsMax: UInt64 = 60
  public static let gateRecheckSeconds: UInt64 = 3600
  /// So many verdicts `unavailable` in a row shut an open gate.
  public static let gateUnavailableMax = 3
  /// A device call may block for 60 s, and there are two.
  public static let appraisalSecondsMax: UInt64 = 120

  /// Core says `stalled` for so long: the vendor is restarted.
  public static let vendorStallSeconds: UInt64 = 60
  /// Least time between two such restarts.
  public static let vendorCareSeconds: UInt64 = 300
  /// After its refresh loop ended the vendor is restarted when idle for so long ...
  public static let vendorQuietSeconds: UInt64 = 5
  /// ... or at the latest after this.
  public static let vendorRefreshSecondsMax: UInt64 = 1800

  /// Orders that wait for their outcome: 8 clients with 4 each.
  public static let ordersMax = 32
  /// One that starts or serves, one that drains, one that was killed and is not yet gone.
  public static let generationsMax = 3
  /// No event causes more effects: an answer and a line of progress per order and service, and a
  /// dozen actions.
  public static let effectsMax = 192
}
