public import PMJSON
public import PMSystem

/// Whose a key is, and what it may be used for. A list that is nil allows all, an empty one none.
public struct KeyPolicy: Equatable, Sendable {
  public static let ownerCharactersMax = 128
  public static let tagsMax = 32
  public static let tagCharactersMax = 64
  /// Several times what the vendor offers.
  public static let modelsMax = 64
  public static let modelCharactersMax = 128
  public static let networksMax = 64

  public var owner = ""
  public var tags: [String] = []
  /// Names, as clients ask for them or as they are priced.
  public var models: [String]?
  public var routes: RouteSet?
  /// Where requests may come from.
  public var networks: [InternetNetwork]?
  /// False: the vendor is asked to keep nothing of a prompt for the next one.
  public var usesPromptCache = true

  public init() {}

  /// Every member, lists as null where all is allowed.
  public var members: [JSONObject.Member] {
    [
      .init("owner", .string(owner)), .init("tags", .texts(tags)),
      .init("allowed_models", models.map { .texts($0) } ?? .null),
      .init("allowed_endpoints", routes.map { .texts($0.words) } ?? .null),
      .init("allowed_networks", networks.map { .texts($0.map(\.text)) } ?? .null),
      .init("prompt_cache", .bool(usesPromptCache)),
    ]
  }

  /// Reads the members of an answer; nil if one is of another form.
  init?(members json: JSONValue) {
    let names = KeyPolicy().members.map(\.name)
    let own = names.compactMap { name in json[name].map { JSONObject.Member(name, $0) } }
    do throws(CoreControl.Fault) {
      var reader = try BodyReader(.object(JSONObject(own)))
      self = try Change(&reader).applied(to: KeyPolicy())
    } catch { return nil }
  }

  /// What becomes of each member; null returns it to what a new key has.
  public struct Change: Equatable, Sendable {
    public var owner = MemberChange<String>.keep
    public var tags = MemberChange<[String]>.keep
    public var models = MemberChange<[String]>.keep
    public var routes = MemberChange<RouteSet>.keep
    public var networks = MemberChange<[InternetNetwork]>.keep
    public var usesPromptCache = MemberChange<Bool>.keep

    public init() {}

    init(_ reader: inout BodyReader) throws(CoreControl.Fault) {
      owner = try reader.change("owner") { $0.line(charactersMax: KeyPolicy.ownerCharactersMax) }
      tags = try reader.listChange("tags", countMax: KeyPolicy.tagsMax) {
        $0.word(charactersMax: KeyPolicy.tagCharactersMax)
      }
      models = try reader.listChange("allowed_models", countMax: KeyPolicy.modelsMax) {
        $0.word(charactersMax: KeyPolicy.modelCharactersMax)
      }
      routes = try reader.listChange("allowed_endpoints", countMax: Route.allCases.count) {
        $0.string.flatMap { RouteSet.metered(word: $0) }
      }.map { RouteSet($0) }
      networks = try reader.listChange("allowed_networks", countMax: KeyPolicy.networksMax) {
        $0.string.flatMap { InternetNetwork($0) }
      }
      usesPromptCache = try reader.change("prompt_cache") { $0.boolean }
    }

    public func applied(to policy: KeyPolicy) -> KeyPolicy {
      let new = KeyPolicy()
      var policy = policy
      policy.owner = owner.applied(to: policy.owner) ?? new.owner
      policy.tags = tags.applied(to: policy.tags) ?? new.tags
      policy.models = models.applied(to: policy.models)
      policy.routes = routes.applied(to: policy.routes)
      policy.networks = networks.applied(to: policy.networks)
      policy.usesPromptCache =
        usesPromptCache.applied(to: policy.usesPromptCache) ?? new.usesPromptCache
      return policy
    }

    var members: [JSONObject.Member] {
      let all: [(String, JSONValue?)] = [
        ("owner", owner.json { .string($0) }), ("tags", tags.json { .texts($0) }),
        ("allowed_models", models.json { .texts($0) }),
        ("allowed_endpoints", routes.json { .texts($0.words) }),
        ("allowed_networks", networks.json { .texts($0.map(\.text)) }),
        ("prompt_cache", usesPromptCache.json { .bool($0) }),
      ]
      return all.compactMap { name, value in value.map { JSONObject.Member(name, $0) } }
    }
  }
}

extension JSONValue {
  static func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

  /// One line of text up to a length; nil for anything else.
  func line(charactersMax: Int) -> String? {
    guard let text = string, text.count <= charactersMax,
      text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
    else { return nil }
    return text
  }

  /// The same, but not empty.
  fileprivate func word(charactersMax: Int) -> String? {
    line(charactersMax: charactersMax).flatMap { $0.isEmpty ? nil : $0 }
  }
}
