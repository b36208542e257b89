public import PMJSON
public import PMSystem

extension CoreControl {
  /// What a key is worth now.
  public enum KeyStatus: String, CaseIterable, Sendable {
    case enabled, disabled, expired
  }

  /// A key as it is listed; never with a secret or a digest.
  public struct KeyEntry: Equatable, Sendable {
    public var id: String
    public var description: String
    public var status: KeyStatus
    public var isEnabled: Bool
    public var createdAt: WallTime
    public var expiresAt: WallTime?
    public var limits: KeyLimits
    public var policy: KeyPolicy
    public var revokedAt: WallTime?
    /// When the newest secret was made; nil while it is the first.
    public var rotatedAt: WallTime?
    public var rotatedFrom: String?
    public var rotatedTo: String?
    /// When each secret that works will stop to, the newest first; nil: with the key.
    public var secretEnds: [WallTime?]
    /// `store`, `file` or `environment`.
    public var source: String
    /// The secret was short when it was imported.
    public var isWeak: Bool
    /// 00:00 UTC of the day of the last use.
    public var lastUsed: WallTime?
    /// Only in the answer to a creation or rotation.
    public var secret: String?

    public init(
      id: String, description: String, status: KeyStatus, isEnabled: Bool, createdAt: WallTime,
      expiresAt: WallTime?, limits: KeyLimits = KeyLimits(), policy: KeyPolicy = KeyPolicy(),
      revokedAt: WallTime?, rotatedAt: WallTime? = nil, rotatedFrom: String?, rotatedTo: String?,
      secretEnds: [WallTime?] = [], source: String, isWeak: Bool, lastUsed: WallTime?,
      secret: String? = nil
    ) {
      self.id = id
      self.description = description
      self.status = status
      self.isEnabled = isEnabled
      self.createdAt = createdAt
      self.expiresAt = expiresAt
      self.limits = limits
      self.policy = policy
      self.revokedAt = revokedAt
      self.rotatedAt = rotatedAt
      self.rotatedFrom = rotatedFrom
      self.rotatedTo = rotatedTo
      self.secretEnds = secretEnds
      self.source = source
      self.isWeak = isWeak
      self.lastUsed = lastUsed
      self.secret = secret
    }

    public var json: JSONValue {
      let ends = secretEnds.map { JSONValue.object(["closes_at": $0?.unixSeconds ?? .null]) }
      let head: JSONObject = [
        "key_id": .string(id), "description": .string(description),
        "status": .string(status.rawValue), "enabled": .bool(isEnabled),
        "created_at": createdAt.unixSeconds, "expires_at": expiresAt?.unixSeconds ?? .null,
      ]
      let tail: JSONObject = [
        "revoked_at": revokedAt?.unixSeconds ?? .null,
        "rotated_at": rotatedAt?.unixSeconds ?? .null,
        "rotated_from": rotatedFrom.map { .string($0) } ?? .null,
        "rotated_to": rotatedTo.map { .string($0) } ?? .null, "secrets": .array(ends),
        "source": .string(source), "weak": .bool(isWeak),
        "last_used": lastUsed.map { .string($0.civil.date) } ?? .null,
      ]
      var object = JSONObject(head.members + limits.members + policy.members + tail.members)
      if let secret { object["key"] = .string(secret) }
      return .object(object)
    }

    /// Reads an entry of an answer; nil if a member is missing or of another form.
    public init?(_ json: JSONValue) {
      guard let id = json["key_id"]?.string, let description = json["description"]?.string,
        let status = json["status"]?.string.flatMap({ KeyStatus(rawValue: $0) }),
        let isEnabled = json["enabled"]?.boolean,
        let createdAt = json["created_at"].flatMap({ WallTime(json: $0) }),
        let policy = KeyPolicy(members: json), let secrets = json["secrets"]?.array,
        let source = json["source"]?.string, let isWeak = json["weak"]?.boolean
      else { return nil }
      self.init(
        id: id, description: description, status: status, isEnabled: isEnabled,
        createdAt: createdAt, expiresAt: json["expires_at"].flatMap { WallTime(json: $0) },
        limits: KeyLimits(members: json), policy: policy,
        revokedAt: json["revoked_at"].flatMap { WallTime(json: $0) },
        rotatedAt: json["rotated_at"].flatMap { WallTime(json: $0) },
        rotatedFrom: json["rotated_from"]?.string, rotatedTo: json["rotated_to"]?.string,
        secretEnds: secrets.map { $0["closes_at"].flatMap { WallTime(json: $0) } },
        source: source, isWeak: isWeak, lastUsed: json["last_used"].flatMap { WallTime(json: $0) },
        secret: json["key"]?.string)
    }
  }

  /// Body of `createKey`.
  public struct NewKey: Body, Equatable {
    public var description = ""
    public var expiresDays: Int64?
    public var limits = KeyLimits.Change()
    public var policy = KeyPolicy.Change()
    public var reason: String?

    public init() {}

    public init(body: [UInt8]) throws(Fault) {
      var reader = try BodyReader(body)
      description =
        try reader.text("description", charactersMax: descriptionCharactersMax) ?? ""
      expiresDays = try reader.integer("expires_days", daysRange)
      limits = try KeyLimits.Change(&reader)
      policy = try KeyPolicy.Change(&reader)
      reason = try reader.reason()
      try reader.finish()
    }

    public var json: JSONValue {
      let head: JSONObject = [
        "description": .string(description),
        "expires_days": expiresDays.map { .integer($0) } ?? .null,
        "reason": reason.map { .string($0) } ?? .null,
      ]
      return .object(JSONObject(head.members + limits.members + policy.members))
    }
  }

  /// Body of `changeKey`; absent members stay as they are.
  public struct KeyChange: Body, Equatable {
    public var description: String?
    public var limits = KeyLimits.Change()
    public var policy = KeyPolicy.Change()
    public var expiresAt = MemberChange<WallTime>.keep
    public var reason: String?

    public init() {}

    public init(body: [UInt8]) throws(Fault) {
      var reader = try BodyReader(body)
      description = try reader.text("description", charactersMax: descriptionCharactersMax)
      limits = try KeyLimits.Change(&reader)
      policy = try KeyPolicy.Change(&reader)
      expiresAt = try reader.timeChange("expires_at")
      reason = try reader.reason()
      try reader.finish()
    }

    public var json: JSONValue {
      var object = JSONObject(limits.members + policy.members)
      object["description"] = description.map { .string($0) }
      object["expires_at"] = expiresAt.json { $0.unixSeconds }
      object["reason"] = reason.map { .string($0) }
      return .object(object)
    }
  }

  /// Body of `rotateKey`.
  public struct Rotation: Body, Equatable {
    /// Nil: the key gets as much life again as it was made with.
    public var expiresDays: Int64?
    /// How long the old secret goes on working: `overlap_seconds` of a body, or `overlap_hours`.
    public var overlapSeconds: Int64 = 0
    public var reason: String?

    public init() {}

    public init(body: [UInt8]) throws(Fault) {
      var reader = try BodyReader(body)
      expiresDays = try reader.integer("expires_days", daysRange)
      let hours = try reader.integer("overlap_hours", overlapHoursRange)
      let seconds = try reader.integer("overlap_seconds", overlapSecondsRange)
      if hours != nil, seconds != nil { throw Fault("overlap_seconds", .unknown) }
      overlapSeconds = seconds ?? hours.map { $0 * 3600 } ?? 0
      reason = try reader.reason()
      try reader.finish()
    }

    public var json: JSONValue {
      [
        "expires_days": expiresDays.map { .integer($0) } ?? .null,
        "overlap_seconds": .integer(overlapSeconds),
        "reason": reason.map { .string($0) } ?? .null,
      ]
    }
  }

  /// Body of acts that need none: a reason may be given for the audit.
  public struct Confirmation: Equatable, Sendable {
    public var reason: String?

    public init(reason: String? = nil) { self.reason = reason }

    public init(body: [UInt8]) throws(Fault) {
      var reader = try BodyReader(body)
      reason = try reader.reason()
      try reader.finish()
    }

    public var json: JSONValue { ["reason": reason.map { .string($0) } ?? .null] }
  }

  /// Answer to `importKeys`.
  public struct ImportReport: Equatable, Sendable {
    /// An entry that was not taken, or is worth a word.
    public struct Remark: Equatable, Sendable {
      /// Place in the file, from 0.
      public var position: Int
      public var keyID: String?
      public var reason: String

      public init(position: Int, keyID: String?, reason: String) {
        (self.position, self.keyID, self.reason) = (position, keyID, reason)
      }

      fileprivate var json: JSONValue {
        [
          "position": .integer(Int64(position)), "key_id": keyID.map { .string($0) } ?? .null,
          "reason": .string(reason),
        ]
      }

      fileprivate init?(_ json: JSONValue) {
        guard let position = json["position"]?.integer, let reason = json["reason"]?.string else {
          return nil
        }
        self.init(position: Int(position), keyID: json["key_id"]?.string, reason: reason)
      }
    }

    /// False for a dry run, and if refusals kept everything from being done.
    public var isApplied = false
    public var new = 0
    public var equal = 0
    public var changed = 0
    public var refused: [Remark] = []
    /// Taken, but not as the file may have meant.
    public var notices: [Remark] = []
    /// Members of entries that are not kept.
    public var unknownMembers: [String] = []

    public init() {}

    public var json: JSONValue {
      [
        "applied": .bool(isApplied), "new": .integer(Int64(new)), "equal": .integer(Int64(equal)),
        "changed": .integer(Int64(changed)), "refused": .array(refused.map(\.json)),
        "notices": .array(notices.map(\.json)),
        "unknown_members": .array(unknownMembers.map { .string($0) }),
      ]
    }

    public init?(_ json: JSONValue) {
      guard let isApplied = json["applied"]?.boolean, let new = json["new"]?.integer,
        let equal = json["equal"]?.integer, let changed = json["changed"]?.integer,
        let refused = json["refused"]?.array, let notices = json["notices"]?.array
      else { return nil }
      self.isApplied = isApplied
      (self.new, self.equal, self.changed) = (Int(new), Int(equal), Int(changed))
      self.refused = refused.compactMap { Remark($0) }
      self.notices = notices.compactMap { Remark($0) }
      unknownMembers = json["unknown_members"]?.array?.compactMap(\.string) ?? []
    }
  }
}

extension BodyReader {
  /// Longer reasons belong into a ticket.
  private static let reasonCharactersMax = 256

  mutating func reason() throws(CoreControl.Fault) -> String? {
    try text("reason", charactersMax: Self.reasonCharactersMax)
  }
}

extension MemberChange {
  func json(_ write: (Value) -> JSONValue) -> JSONValue? {
    switch self {
    case .keep: nil
    case .clear: .null
    case .set(let value): write(value)
    }
  }
}
