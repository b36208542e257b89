/// What a child reports upward, in the form of sd_notify(3): `NAME=value` lines. Names of ours
/// begin with `X_PM_`. Unknown names are passed over, as the protocol wants; a value that cannot be
/// read is as if it were absent.
public struct NotifyMessage: Equatable, Sendable {
  public var isReady = false
  public var isStopping = false
  public var isHeartbeat = false
  /// What the process does just now; kept for the record of its end.
  public var phase: Phase?
  public var loopLagMicroseconds: UInt64?
  public var inFlight: Int?
  public var sandbox: SandboxProof?
  public var vendor: VendorHealth?

  public enum Field {
    public static let ready = "READY"
    public static let stopping = "STOPPING"
    public static let heartbeat = "WATCHDOG"
    public static let phase = "STATUS"
    public static let loopLag = "X_PM_LOOP_LAG_USEC"
    public static let inFlight = "X_PM_IN_FLIGHT"
    public static let sandbox = "X_PM_SANDBOX"
    public static let vendor = "X_PM_VENDOR"
  }

  public init() {}

  public init(text: String) {
    for line in text.split(separator: "\n") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      take(String(line[..<equals]), String(line[line.index(after: equals)...]))
    }
  }

  private mutating func take(_ name: String, _ value: String) {
    switch name {
    case Field.ready: isReady = value == "1"
    case Field.stopping: isStopping = value == "1"
    case Field.heartbeat: isHeartbeat = value == "1"
    case Field.phase: phase = Phase(rawValue: value) ?? phase
    case Field.loopLag: loopLagMicroseconds = UInt64(value)
    case Field.inFlight: inFlight = Int(value).flatMap { $0 >= 0 ? $0 : nil }
    case Field.sandbox: sandbox = SandboxProof(value)
    case Field.vendor: vendor = VendorHealth(rawValue: value)
    default: break
    }
  }

  /// The lines of this message.
  public var lines: [String] {
    var lines: [String] = []
    if isReady { lines.append("\(Field.ready)=1") }
    if isStopping { lines.append("\(Field.stopping)=1") }
    if isHeartbeat { lines.append("\(Field.heartbeat)=1") }
    if let phase { lines.append("\(Field.phase)=\(phase.rawValue)") }
    if let loopLagMicroseconds { lines.append("\(Field.loopLag)=\(loopLagMicroseconds)") }
    if let inFlight { lines.append("\(Field.inFlight)=\(inFlight)") }
    if let sandbox { lines.append("\(Field.sandbox)=\(sandbox.text)") }
    if let vendor { lines.append("\(Field.vendor)=\(vendor.rawValue)") }
    return lines
  }
}

/// What a process does, coarsely: all that is known of a crash beside its signal.
public enum Phase: String, CaseIterable, Sendable {
  case starting, serving, draining
  case storeOpen = "store.open"
  case meterWrite = "meter.write"
  case certificateRead = "certificate.read"
  case keysImport = "keys.import"
}

/// How many of the forbidden acts that a child tried were refused.
public struct SandboxProof: Equatable, Sendable {
  public let refused: Int
  public let tried: Int

  public init(refused: Int, tried: Int) { (self.refused, self.tried) = (refused, tried) }

  /// Reads `9/9`.
  init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let refused = parts[0], let tried = parts[1], refused >= 0,
      refused <= tried
    else { return nil }
    self.init(refused: refused, tried: tried)
  }

  public var text: String { "\(refused)/\(tried)" }
}
