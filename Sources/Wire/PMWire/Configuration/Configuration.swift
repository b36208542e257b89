internal import PMJSON

/// Whether the gate is enforced.
public enum Profile: String, CaseIterable, Sendable {
  case production, development
}

/// The whole configuration of the appliance, as `pmctl` reads it from `appliance.json`. Every
/// process gets its own part only.
public struct Configuration: Equatable, Sendable {
  public var profile: Profile = .production
  /// What must survive a restart of the machine.
  public var stateDirectory = "/var/lib/privatemode"
  /// Sockets and credentials; memory-backed, gone with the machine.
  public var runtimeDirectory = "/run/privatemode"
  /// Where the programs lie; nil for the folder that `pmctl` itself was started from.
  public var programDirectory: String?
  public var listen = Listen()
  /// The host name that clients use; nil if unknown.
  public var publicName: String?
  public var tls = TLSFiles()
  /// Files that port 80 serves under `/.well-known/acme-challenge/`.
  public var challengeDirectory: String?
  public var edge = EdgeLimits()
  public var limits = RequestLimits()
  public var keysFile: String?
  public var vendor = Vendor()
  /// Holds the admin password; nil if sign-in is off or the password comes as a credential.
  public var adminPasswordFile: String?
  public var control = ControlRoles()
  public var attestation = Attestation()
  public var receipts = Receipts()

  public init() {}

  public struct Receipts: Equatable, Sendable {
    /// Requests and answers are hashed while they pass, for receipts that are fetched soon.
    public var hasContentDigests = true
  }

  public struct Listen: Equatable, Sendable {
    public var https: UInt16 = 443
    public var http: UInt16 = 80
    /// Development listens on 127.0.0.1 only.
    public var loopbackOnly = false
  }

  public struct TLSFiles: Equatable, Sendable {
    /// Nil: one that vouches for itself, or for a key that was born here the file that an ACME
    /// client puts beside it.
    public var certificate: String?
    /// Nil: the edge makes one, which then never leaves the machine.
    public var key: String?
    public var keyStorage = KeyStorage.memory

    /// Where the key comes from; if it differs, the key may.
    public var keySource: String { key ?? keyStorage.rawValue }
  }

  /// Where a key that was born here lies.
  public enum KeyStorage: String, CaseIterable, Sendable {
    /// In the runtime directory: gone with the machine.
    case memory
    /// In the state directory: only sound where the disk is encrypted by this very machine.
    case disk
  }

  /// Where a key that was born here lies, with its certificate request and its own certificate.
  public var edgeKeyDirectory: String {
    switch tls.keyStorage {
    case .memory: "\(runtimeDirectory)/edge-key"
    case .disk: "\(stateDirectory)/edge-key"
    }
  }

  public struct ControlRoles: Equatable, Sendable {
    public var adminUIDs: [UInt32] = []
    public var operatorUIDs: [UInt32] = []
    public var readerUIDs: [UInt32] = []
  }

  /// Reads the text of `appliance.json`; comments are allowed, unknown members are errors.
  public static func read(_ bytes: [UInt8]) throws(ConfigurationError) -> Configuration {
    let value: JSONValue
    do {
      value = try JSONReader.read(bytes, allowsComments: true)
    } catch {
      let fault: ConfigurationError.Fault =
        error.reason == .duplicateName
        ? .duplicate(offset: error.offset) : .notJSON(offset: error.offset)
      throw ConfigurationError("configuration", fault)
    }
    return try Configuration(value)
  }

  init(_ value: JSONValue) throws(ConfigurationError) {
    var top = try MemberReader(value)
    profile = try top.word("profile", Profile.self) ?? profile
    if profile == .development {
      listen = Listen(https: 8443, http: 8080, loopbackOnly: true)
    }
    stateDirectory = try top.path("stateDirectory") ?? stateDirectory
    runtimeDirectory = try top.path("runtimeDirectory") ?? runtimeDirectory
    programDirectory = try top.path("programDirectory")
    publicName = try top.string("publicName")
    try readListen(try top.object("listen"))
    try readTLS(try top.object("tls"))
    edge = try EdgeLimits(try top.object("edge"))
    limits = try RequestLimits(try top.object("limits"))
    var keys = try top.object("keys")
    keysFile = try keys.path("file")
    try keys.finish()
    vendor = try Vendor(try top.object("vendor"), profile: profile)
    var admin = try top.object("admin")
    adminPasswordFile = try admin.path("passwordFile")
    try admin.finish()
    try readControl(try top.object("control"))
    attestation = try Attestation(try top.object("attestation"))
    var receiptMembers = try top.object("receipts")
    receipts.hasContentDigests =
      try receiptMembers.boolean("contentDigests") ?? receipts.hasContentDigests
    try receiptMembers.finish()
    try top.finish()
  }

  private mutating func readListen(_ members: MemberReader) throws(ConfigurationError) {
    var members = members
    listen.https = UInt16(try members.integer("https", 1...65_535) ?? Int64(listen.https))
    listen.http = UInt16(try members.integer("http", 1...65_535) ?? Int64(listen.http))
    listen.loopbackOnly = try members.boolean("loopbackOnly") ?? listen.loopbackOnly
    try members.finish()
  }

  private mutating func readTLS(_ members: MemberReader) throws(ConfigurationError) {
    var members = members
    tls.certificate = try members.path("certificate")
    tls.key = try members.path("key")
    tls.keyStorage = try members.word("keyStorage", KeyStorage.self) ?? tls.keyStorage
    challengeDirectory = try members.path("challengeDirectory")
    try members.finish()
  }

  private mutating func readControl(_ members: MemberReader) throws(ConfigurationError) {
    var members = members
    let uids: ClosedRange<Int64> = 0...Int64(UInt32.max - 1)
    func list(_ name: String) throws(ConfigurationError) -> [UInt32] {
      var result: [UInt32] = []
      for number in try members.integers(name) ?? [] {
        guard uids.contains(number) else {
          throw ConfigurationError("control.\(name)", .outOfRange(0, uids.upperBound))
        }
        result.append(UInt32(number))
      }
      return result
    }
    control.adminUIDs = try list("admins")
    control.operatorUIDs = try list("operators")
    control.readerUIDs = try list("readers")
    try members.finish()
  }

  /// What must hold of the whole, after the environment was merged in.
  public func validate() throws(ConfigurationError) {
    // A key from outside cannot vouch for itself; a certificate alone is for the key born here.
    if tls.key != nil, tls.certificate == nil {
      throw ConfigurationError("tls.certificate", .onlyTogetherWith("tls.key"))
    }
    if profile == .development, tls.certificate != nil, tls.key == nil {
      throw ConfigurationError("tls.key", .onlyTogetherWith("tls.certificate"))
    }
    guard profile == .production else { return }
    if vendor.binary == nil { throw ConfigurationError("vendor.binary", .missing) }
    if vendor.sha256 == nil { throw ConfigurationError("vendor.sha256", .missing) }
    if listen.loopbackOnly {
      throw ConfigurationError("listen.loopbackOnly", .notAllowedInProduction)
    }
  }
}
