/// What a child gets from pmctl: names of descriptors and of environment variables.
public enum Inheritance {
  /// The first descriptor of the list (sd_listen_fds(3)).
  public static let firstDescriptor: Int32 = 3
  /// Entries of the list. No child gets more than seven.
  public static let descriptorsMax = 16

  /// The names in `LISTEN_FDNAMES`.
  public enum Name: String, CaseIterable, Sendable {
    case https, http, core, admin, probe, lifeline, orders, configuration
    case coreControl = "core-control"
    /// The edge's way to fresh evidence of this machine (`EvidenceProtocol`).
    case evidence
    /// What `pm-core --restore` reads.
    case backup, passphrase
    /// Held as long as the process lives.
    case lock
    /// For pm-launch only, which takes both out of the list: the cgroup.procs of the generation,
    /// and the program whose bytes were hashed.
    case cgroup, program
  }

  public static let listenCount = "LISTEN_FDS"
  public static let listenNames = "LISTEN_FDNAMES"
  public static let listenProcess = "LISTEN_PID"
  public static let notifySocket = "NOTIFY_SOCKET"
  public static let watchdogMicroseconds = "WATCHDOG_USEC"
  public static let watchdogProcess = "WATCHDOG_PID"
  public static let credentialsDirectory = "CREDENTIALS_DIRECTORY"
  /// Swift's crash report prints memory; always `enable=no`.
  public static let swiftBacktrace = "SWIFT_BACKTRACE"

  /// What pmctl may hand to one of our processes. `LISTEN_PID` and `WATCHDOG_PID` are written by
  /// pm-launch, which alone knows the pid.
  public static let environmentNames = [
    listenCount, listenNames, notifySocket, watchdogMicroseconds, credentialsDirectory,
  ]
}

/// Names of secrets, both in the credentials that the platform gives to pmctl and in the folder
/// that pmctl gives to a child.
public enum CredentialName: String, CaseIterable, Sendable {
  case vendorKey = "vendor-api-key"
  case adminPassword = "admin-password"
  /// Core's key for hashing API keys.
  case pepper
  /// Plaintext keys of the predecessor's variable.
  case keys = "api-keys"
}
