/// The numbers of the runtime. Those of the state machine are in `PMSupervision.Limits`.
enum RuntimeLimits {
  /// `appliance.json`; ours has a few hundred bytes.
  static let configurationBytesMax = 1 << 20
  /// A program, unstripped and with debug information.
  static let programBytesMax = 512 << 20
  /// A password or key.
  static let credentialBytesMax = 4096
  /// From the spawn of a probe to its kill; the probe itself gives up after 2 s.
  static let probeSecondsMax: UInt64 = 4
  /// The check of a new configuration before it is adopted.
  static let checkSecondsMax: UInt64 = 5
  /// To make a key, or to read one.
  static let keySecondsMax: UInt64 = 10
  /// 64 digits and the end of a line.
  static let keyOutputBytesMax = 128
  /// To read the end of the ledger and a key.
  static let descriptionSecondsMax: UInt64 = 5
  /// A key and two heads have about 300 bytes.
  static let descriptionBytesMax = 1024
  /// A verification takes milliseconds.
  static let appraiseSecondsMax: UInt64 = 20
  /// A verdict with all factors and the claims.
  static let verdictBytesMax = 64 << 10
  /// The role gives up after 20 s by itself.
  static let collateralSecondsMax: UInt64 = 25
  /// One-shots under way: probes, one per service, one of the path and one more while a generation
  /// changes; a check; one of the gate.
  static let oneShotsMax = 14
  /// Questions to devices that are not answered yet: one of the gate, one for a client, and those
  /// of runs that others overtook while a device took its minute.
  static let deviceJobsMax = 8
  /// To restore a ledger of tens of gigabytes, and to look through it.
  static let restoreSecondsMax: UInt64 = 3600
  /// Records of ends kept per service.
  static let deathsPerServiceMax = 256
  /// Events that `pmctl logs` can show.
  static let journalLinesMax = 256
  /// One line of the vendor that is looked at; the rest of a longer one is passed over.
  static let vendorLineBytesMax = 16 * 1024
  /// Manifests kept in the vendor's workspace.
  static let vendorManifestsMax = 200
  static let watchdogMicroseconds = 10_000_000
  /// The vendor's own soft limit for its memory.
  static let vendorMemoryLimit = "768MiB"
}
