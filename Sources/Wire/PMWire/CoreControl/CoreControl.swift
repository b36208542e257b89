public import PMJSON
internal import PMSystem

/// What pm-admin and the command line say to core on `core-control.sock`: HTTP/1.1 with JSON
/// bodies. Requests and answers have their types here; who asks is known from the socket.
public enum CoreControl {
  /// The acts and their paths; `ID` is a key id.
  public enum Act: Equatable, Sendable {
    case listKeys, createKey, importKeys
    case showKey(String)
    case changeKey(String)
    case deleteKey(String)
    case revokeKey(String)
    case enableKey(String)
    case rotateKey(String)
    case adoptKey(String)
    case readSettings, changeSettings
    case readUsage, readRows, exportUsage
    case listPrices, addPrice
    case listAlarms
    case acknowledgeAlarm(Int64)
    case readAudit
    case verifyLedger
    case readStatus
    case readMetrics
    case makeBackup

    public var method: String {
      switch self {
      case .listKeys, .showKey, .readSettings, .readUsage, .readRows, .exportUsage, .listPrices,
        .listAlarms, .readAudit, .verifyLedger, .readStatus, .readMetrics:
        "GET"
      case .createKey, .importKeys, .revokeKey, .enableKey, .rotateKey, .adoptKey, .addPrice,
        .acknowledgeAlarm, .makeBackup:
        "POST"
      case .changeKey: "PATCH"
      case .changeSettings: "PUT"
      case .deleteKey: "DELETE"
      }
    }

    public var path: String {
      switch self {
      case .listKeys, .createKey: "/keys"
      case .importKeys: "/keys/import"
      case .showKey(let id), .changeKey(let id), .deleteKey(let id): "/keys/\(id)"
      case .revokeKey(let id): "/keys/\(id)/revoke"
      case .enableKey(let id): "/keys/\(id)/enable"
      case .rotateKey(let id): "/keys/\(id)/rotate"
      case .adoptKey(let id): "/keys/\(id)/adopt"
      case .readSettings, .changeSettings: "/settings"
      case .readUsage: "/usage"
      case .readRows: "/usage/rows"
      case .exportUsage: "/usage/export"
      case .listPrices, .addPrice: "/prices"
      case .listAlarms: "/alarms"
      case .acknowledgeAlarm(let row): "/alarms/\(row)/acknowledge"
      case .readAudit: "/audit"
      case .verifyLedger: "/ledger/verify"
      case .readStatus: "/status"
      case .readMetrics: "/metrics"
      case .makeBackup: "/backup"
      }
    }

    /// The act of a request; ids are the only free parts of a path, and need no decoding. Nil
    /// without a path of the table; `methods` then is empty, else what the path allows.
    public static func find(method: String, path: String) -> (act: Act?, methods: [String]) {
      let parts = path.split(separator: "/", omittingEmptySubsequences: false).map { String($0) }
      guard parts.count >= 2, parts[0].isEmpty else { return (nil, []) }
      let acts: [Act]
      switch (parts.count, parts[1]) {
      case (2, "keys"): acts = [.listKeys, .createKey]
      case (2, "settings"): acts = [.readSettings, .changeSettings]
      case (2, "usage"): acts = [.readUsage]
      case (2, "prices"): acts = [.listPrices, .addPrice]
      case (2, "alarms"): acts = [.listAlarms]
      case (2, "audit"): acts = [.readAudit]
      case (2, "status"): acts = [.readStatus]
      case (2, "metrics"): acts = [.readMetrics]
      case (2, "backup"): acts = [.makeBackup]
      case (3, "usage") where parts[2] == "rows": acts = [.readRows]
      case (3, "usage") where parts[2] == "export": acts = [.exportUsage]
      case (3, "ledger") where parts[2] == "verify": acts = [.verifyLedger]
      case (3, "keys") where parts[2] == "import" && method == "POST": acts = [.importKeys]
      case (3, "keys"): acts = [.showKey(parts[2]), .changeKey(parts[2]), .deleteKey(parts[2])]
      case (4, "alarms") where parts[3] == "acknowledge":
        acts = Int64(parts[2]).map { [.acknowledgeAlarm($0)] } ?? []
      case (4, "keys"): acts = Act.verb(parts[3], key: parts[2])
      default: acts = []
      }
      return (acts.first { $0.method == method }, acts.map(\.method))
    }

    private static func verb(_ word: String, key id: String) -> [Act] {
      switch word {
      case "revoke": [.revokeKey(id)]
      case "enable": [.enableKey(id)]
      case "rotate": [.rotateKey(id)]
      case "adopt": [.adoptKey(id)]
      default: []
      }
    }
  }

  /// Queries of `importKeys`.
  public static let dryRun = "dry_run"
  public static let skipRefused = "skip_refused"

  /// A body of a request may be as long as this; an import is the longest.
  public static let bodyBytesMax = 4 << 20

  /// Why a body or query was refused.
  public struct Fault: Error, Equatable, Sendable {
    public enum Problem: Equatable, Sendable {
      case missing, wrongType, unknown
      case outOfRange(ClosedRange<Int64>)
      case tooMany(Int)
      case excluded(by: String)
      case notAfter(String)
      /// The name of a model stands for another model.
      case isAlias
      case notJSON
    }
    /// The member at fault; empty if it is the whole.
    public let member: String
    public let problem: Problem

    public init(_ member: String, _ problem: Problem) {
      (self.member, self.problem) = (member, problem)
    }

    /// One English sentence that says what to do.
    public var text: String {
      let name = member.isEmpty ? "The body" : "\(member)"
      switch problem {
      case .missing: return "\(name) is required."
      case .wrongType: return "\(name) has the wrong type or form."
      case .unknown: return "\(name) is not known here."
      case .outOfRange(let range):
        return "\(name) must be between \(range.lowerBound) and \(range.upperBound)."
      case .tooMany(let countMax): return "\(name) may have at most \(countMax) entries."
      case .excluded(let other): return "\(name) cannot stand beside \(other)."
      case .notAfter(let other): return "\(name) must be later than \(other)."
      case .isAlias: return "\(name) is a second name: give the model itself its price."
      case .notJSON: return "\(name) is not valid JSON."
      }
    }
  }

  /// A body that says which of its members it does not take.
  public protocol Body: Sendable {
    init(body: [UInt8]) throws(Fault)
    var json: JSONValue { get }
  }

  /// Ranges of what people enter.
  public static let daysRange: ClosedRange<Int64> = 1...36_500
  /// A year.
  public static let overlapHoursRange: ClosedRange<Int64> = 0...8760
  static let overlapSecondsRange = 0...overlapHoursRange.upperBound * 3600
  public static let descriptionCharactersMax = 256
}

/// A member of a change: left as it is, removed, or set.
public enum MemberChange<Value: Equatable & Sendable>: Equatable, Sendable {
  case keep, clear
  case set(Value)

  public func applied(to old: Value?) -> Value? {
    switch self {
    case .keep: old
    case .clear: nil
    case .set(let value): value
    }
  }

  func map<Other>(_ change: (Value) -> Other) -> MemberChange<Other> {
    switch self {
    case .keep: .keep
    case .clear: .clear
    case .set(let value): .set(change(value))
    }
  }
}

/// Reads the members of a body; what is left over at `finish` is unknown.
struct BodyReader {
  private let object: JSONObject
  private var asked: Set<String> = []

  /// No body reads as an empty object.
  init(_ bytes: [UInt8]) throws(CoreControl.Fault) {
    if bytes.isEmpty {
      object = JSONObject()
      return
    }
    guard let value = try? JSONReader.read(bytes) else { throw CoreControl.Fault("", .notJSON) }
    guard let object = value.object else { throw CoreControl.Fault("", .wrongType) }
    self.object = object
  }

  init(_ value: JSONValue) throws(CoreControl.Fault) {
    guard let object = value.object else { throw CoreControl.Fault("", .wrongType) }
    self.object = object
  }

  mutating func take(_ name: String) -> JSONValue? {
    asked.insert(name)
    return object[name]
  }

  mutating func text(
    _ name: String, charactersMax: Int
  ) throws(CoreControl.Fault) -> String? {
    try change(name) { $0.line(charactersMax: charactersMax) }.applied(to: nil)
  }

  mutating func integer(
    _ name: String, _ range: ClosedRange<Int64>
  ) throws(CoreControl.Fault) -> Int64? {
    try integerChange(name, range).applied(to: nil)
  }

  mutating func integerChange(
    _ name: String, _ range: ClosedRange<Int64>
  ) throws(CoreControl.Fault) -> MemberChange<Int64> {
    try change(name) { (json) throws(CoreControl.Fault) in
      guard let number = json.integer else { return nil }
      guard range.contains(number) else { throw CoreControl.Fault(name, .outOfRange(range)) }
      return number
    }
  }

  mutating func timeChange(
    _ name: String
  ) throws(CoreControl.Fault) -> MemberChange<WallTime> {
    try change(name) { WallTime(json: $0) }
  }

  /// A list whose elements are all of the form that `read` takes.
  mutating func listChange<Element: Equatable & Sendable>(
    _ name: String, countMax: Int, _ read: (JSONValue) -> Element?
  ) throws(CoreControl.Fault) -> MemberChange<[Element]> {
    try change(name) { (json) throws(CoreControl.Fault) in
      guard let list = json.array else { return nil }
      guard list.count <= countMax else { throw CoreControl.Fault(name, .tooMany(countMax)) }
      let elements = list.compactMap(read)
      return elements.count == list.count ? elements : nil
    }
  }

  /// Absent is `keep`, null is `clear`; what `read` takes for nothing is of the wrong type.
  mutating func change<Value: Equatable & Sendable>(
    _ name: String, _ read: (JSONValue) throws(CoreControl.Fault) -> Value?
  ) throws(CoreControl.Fault) -> MemberChange<Value> {
    guard let json = take(name) else { return .keep }
    if json.isNull { return .clear }
    guard let value = try read(json) else { throw CoreControl.Fault(name, .wrongType) }
    return .set(value)
  }

  func finish() throws(CoreControl.Fault) {
    for member in object.members where !asked.contains(member.name) {
      throw CoreControl.Fault(member.name, .unknown)
    }
  }
}
