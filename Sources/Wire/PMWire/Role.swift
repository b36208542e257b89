/// What pmctl keeps running, in the order in which it starts.
public enum Service: String, CaseIterable, Sendable {
  case vendor, core, edge, admin

  /// The service that should be ready before this one starts.
  public var predecessor: Service? {
    switch self {
    case .vendor: nil
    case .core: .vendor
    case .edge, .admin: .core
    }
  }

  /// True if a new generation may run beside the old one. Core owns the ledger, the vendor its
  /// workspace; admin stops and starts while its clients wait in the backlog.
  public var overlaps: Bool { self == .edge }

  /// True if the service speaks the notify protocol. The vendor's program knows nothing of us.
  public var notifies: Bool { self != .vendor }

  public var role: Role {
    switch self {
    case .vendor: .vendor
    case .core: .core
    case .edge: .edge
    case .admin: .admin
    }
  }
}

/// Who a process is to the kernel: the word that `pm-launch` takes, and what the word stands for.
/// A process outside this table cannot be launched.
public enum Role: String, CaseIterable, Sendable {
  case vendor = "privatemode-proxy"
  case core = "pm-core"
  case edge = "pm-edge"
  case admin = "pm-admin"
  /// Asks the services whether they live, and checks a configuration before it is adopted.
  case prober = "pm-probe"
  /// Fetches certificates for the gate: the only one of these that speaks to the internet.
  case collateral = "pm-collateral"
  /// Verifies evidence for the gate, without files and network.
  case appraiser = "pm-appraise"
  /// Makes or reads the TLS key, as the edge, before there is one.
  case edgeKey = "pm-edge-key"
  /// Tells the key of receipts and the heads of the ledger, as core, before it and beside it.
  case coreDescription = "pm-core-describe"

  /// The account in `/etc/passwd` whose uid and gid the process has.
  public var account: String {
    switch self {
    case .vendor: "pm-vendor"
    case .core: "pm-core"
    case .edge: "pm-edge"
    case .admin: "pm-admin"
    case .prober: "pm-probe"
    case .collateral: "pm-collateral"
    case .appraiser: "pm-appraise"
    case .edgeKey: Role.edge.account
    case .coreDescription: Role.core.account
    }
  }

  /// Open files (RLIMIT_NOFILE). Edge and core: two per connection and its way onward, and their
  /// table of connections is smaller than half of it. The vendor's program needs few.
  public var descriptorsMax: UInt64 {
    switch self {
    case .edge, .core: 65_536
    case .vendor: 8192
    case .admin: 1024
    case .prober, .collateral, .appraiser, .edgeKey, .coreDescription: 64
    }
  }

  /// Threads of all processes of the uid (RLIMIT_NPROC, and pids.max of the cgroup). Go starts
  /// one thread per blocked call; ours have a handful.
  public var threadsMax: UInt64 {
    switch self {
    case .vendor: 512
    // Keys are made beside a running edge or core, and the limit counts both.
    case .edge, .core, .edgeKey, .coreDescription: 128
    case .admin, .prober, .collateral, .appraiser: 64
    }
  }

  /// Locked memory (RLIMIT_MEMLOCK): nobody needs more than a page or two for a secret.
  public var lockedBytesMax: UInt64 { 1 << 20 }

  /// memory.max of the cgroup. Vendor: a body is held up to 15 times over; the
  /// others stream, so theirs is head room over a few hundred MiB at full load.
  public var memoryBytesMax: UInt64 {
    switch self {
    case .vendor: 2 << 30
    case .edge, .core: 1 << 30
    case .admin: 256 << 20
    case .prober, .collateral, .appraiser, .edgeKey, .coreDescription: 64 << 20
    }
  }

  /// The names that may be in the environment of the process; everything else is dropped.
  /// The stand-in's own are set in the development profile only.
  public var environmentNames: [String] {
    switch self {
    case .vendor: Vendor.environmentNames.union(Vendor.standInEnvironmentNames).sorted()
    case .core, .edge, .admin, .edgeKey, .coreDescription: Inheritance.environmentNames
    case .prober, .collateral, .appraiser: []
    }
  }
}
