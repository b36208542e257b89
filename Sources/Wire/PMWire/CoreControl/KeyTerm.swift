public import PMJSON

/// A member of a key that people set, as they type it: on a command line, or into a field.
public enum KeyTerm: CaseIterable, Hashable, Sendable {
  case owner, tags, models, endpoints, networks, promptCache
  case limit(KeyLimits.Member)

  public static let allCases =
    [.owner, .tags, .models, .endpoints, .networks, .promptCache]
    + KeyLimits.Member.allCases.map { KeyTerm.limit($0) }

  /// Its name in requests and entries.
  public var name: String {
    switch self {
    case .owner: "owner"
    case .tags: "tags"
    case .models: "allowed_models"
    case .endpoints: "allowed_endpoints"
    case .networks: "allowed_networks"
    case .promptCache: "prompt_cache"
    case .limit(let member): member.rawValue
    }
  }

  /// The member's name as words.
  public var label: String {
    let words = name.split(separator: "_").joined(separator: " ")
    return words.prefix(1).uppercased() + words.dropFirst()
  }

  /// What a value looks like, in a word.
  public var form: String {
    switch self {
    case .owner: "TEXT"
    case .tags, .models, .endpoints, .networks: "LIST"
    case .promptCache: "on|off"
    case .limit(let member): member.isMoney ? "EUR" : "N"
    }
  }

  /// What may be typed, in one sentence.
  public var demand: String {
    switch self {
    case .owner: "At most \(KeyPolicy.ownerCharactersMax) characters, on one line."
    case .tags:
      "At most \(KeyPolicy.tagsMax) tags of \(KeyPolicy.tagCharactersMax) characters, with commas."
    case .models: "All, none, or at most \(KeyPolicy.modelsMax) names of models, with commas."
    case .endpoints: "All, none, or some of \(RouteSet.metered.words.joined(separator: ", "))."
    case .networks:
      "All, none, or at most \(KeyPolicy.networksMax) networks such as 10.0.0.0/8, with commas."
    case .promptCache: "On or off."
    case .limit(let member):
      (member.isMoney ? "None, or euro from " : "None, or a whole number from ")
        + "\(member.range.lowerBound) to \(member.range.upperBound)."
    }
  }

  /// The member as a request holds it, which then says whether it is a value of this term. Nothing
  /// typed returns the member to what a new key has.
  public func json(_ typed: String) -> JSONValue {
    switch self {
    case _ where typed.isEmpty: return .null
    case .owner: return .string(typed)
    case .tags: return Self.list(typed)
    case .models, .endpoints, .networks:
      return typed == "all" ? .null : typed == "none" ? [] : Self.list(typed)
    case .promptCache: return typed == "on" ? true : typed == "off" ? false : .string(typed)
    case .limit(let member):
      if typed == "none" { return .null }
      guard !member.isMoney, let value = member.value(of: typed) else { return .string(typed) }
      return .integer(value)
    }
  }

  private static func list(_ typed: String) -> JSONValue {
    .texts(
      typed.split(separator: ",", omittingEmptySubsequences: false).map { part in
        let inner = part.drop { $0 == " " }
        return String(inner.prefix(inner.count - inner.reversed().prefix { $0 == " " }.count))
      })
  }

  /// The member of an entry as it would be typed; empty where the key has none of its own.
  public func text(in entry: JSONValue) -> String {
    switch entry[name] {
    case .array(let list):
      list.isEmpty && self != .tags ? "none" : list.compactMap(\.string).joined(separator: ", ")
    case .string(let text): text
    case .bool(let isOn): isOn ? "on" : "off"
    case .integer(let number): String(number)
    default: ""
    }
  }
}
