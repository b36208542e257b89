internal import PMJSON

/// Takes the members of one configuration object, checking type and range; `finish` refuses what
/// was not asked for, so that a misspelled member is an error.
struct MemberReader {
  private let object: JSONObject
  private let path: String
  private var asked: Set<String> = []

  init(_ object: JSONObject, path: String = "") {
    self.object = object
    self.path = path
  }

  init(_ value: JSONValue, path: String = "") throws(ConfigurationError) {
    guard let object = value.object else {
      throw ConfigurationError(path.isEmpty ? "configuration" : path, .wrongType("an object"))
    }
    self.init(object, path: path)
  }

  func name(_ member: String) -> String { path.isEmpty ? member : "\(path).\(member)" }

  private mutating func take(_ member: String) -> JSONValue? {
    asked.insert(member)
    let value = object[member]
    return value == .null ? nil : value
  }

  mutating func string(_ member: String) throws(ConfigurationError) -> String? {
    guard let value = take(member) else { return nil }
    guard let text = value.string else {
      throw ConfigurationError(name(member), .wrongType("a string"))
    }
    return text
  }

  mutating func path(_ member: String) throws(ConfigurationError) -> String? {
    guard let text = try string(member) else { return nil }
    guard text.hasPrefix("/") else { throw ConfigurationError(name(member), .notAbsolute) }
    return text
  }

  mutating func boolean(_ member: String) throws(ConfigurationError) -> Bool? {
    guard let value = take(member) else { return nil }
    guard let flag = value.boolean else {
      throw ConfigurationError(name(member), .wrongType("true or false"))
    }
    return flag
  }

  mutating func integer(
    _ member: String, _ range: ClosedRange<Int64>
  ) throws(ConfigurationError) -> Int64? {
    guard let value = take(member) else { return nil }
    guard let number = value.integer else {
      throw ConfigurationError(name(member), .wrongType("an integer"))
    }
    guard range.contains(number) else {
      throw ConfigurationError(name(member), .outOfRange(range.lowerBound, range.upperBound))
    }
    return number
  }

  /// A limit in the form that requests have: money as a number of euro, or as text.
  mutating func limit(
    _ member: String, _ limit: KeyLimits.Member
  ) throws(ConfigurationError) -> Int64? {
    guard let value = take(member) else { return nil }
    do throws(CoreControl.Fault) {
      return try limit.value(of: value)
    } catch {
      guard case .outOfRange(let range) = error.problem else {
        throw ConfigurationError(name(member), .wrongType(limit.isMoney ? "euro" : "an integer"))
      }
      throw ConfigurationError(name(member), .outOfRange(range.lowerBound, range.upperBound))
    }
  }

  mutating func word<Word: RawRepresentable & CaseIterable>(
    _ member: String, _ type: Word.Type
  ) throws(ConfigurationError) -> Word? where Word.RawValue == String {
    guard let text = try string(member) else { return nil }
    guard let word = Word(rawValue: text) else {
      throw ConfigurationError(name(member), .notOneOf(Word.allCases.map(\.rawValue)))
    }
    return word
  }

  mutating func strings(_ member: String) throws(ConfigurationError) -> [String]? {
    guard let value = take(member) else { return nil }
    let fault = ConfigurationError(name(member), .wrongType("a list of strings"))
    guard let items = value.array else { throw fault }
    var texts: [String] = []
    for item in items {
      guard let text = item.string else { throw fault }
      texts.append(text)
    }
    return texts
  }

  mutating func integers(_ member: String) throws(ConfigurationError) -> [Int64]? {
    guard let value = take(member) else { return nil }
    let fault = ConfigurationError(name(member), .wrongType("a list of integers"))
    guard let items = value.array else { throw fault }
    var numbers: [Int64] = []
    for item in items {
      guard let number = item.integer else { throw fault }
      numbers.append(number)
    }
    return numbers
  }

  /// A nested object; an absent one reads as empty, so that its defaults apply.
  mutating func object(_ member: String) throws(ConfigurationError) -> MemberReader {
    try MemberReader(take(member) ?? .object(JSONObject()), path: name(member))
  }

  /// The members of an object whose names are free.
  mutating func dictionary(_ member: String) throws(ConfigurationError) -> [String: String] {
    guard let value = take(member) else { return [:] }
    guard let object = value.object else {
      throw ConfigurationError(name(member), .wrongType("an object of strings"))
    }
    var texts: [String: String] = [:]
    for item in object.members {
      guard let text = item.value.string else {
        throw ConfigurationError(name("\(member).\(item.name)"), .wrongType("a string"))
      }
      texts[item.name] = text
    }
    return texts
  }

  /// Objects of numbers by free names.
  mutating func tables(
    _ member: String, _ range: ClosedRange<Int64>
  ) throws(ConfigurationError) -> [String: [String: Int64]] {
    guard let value = take(member) else { return [:] }
    let fault = ConfigurationError(name(member), .wrongType("an object of objects of integers"))
    guard let object = value.object else { throw fault }
    var tables: [String: [String: Int64]] = [:]
    for row in object.members {
      guard let cells = row.value.object else { throw fault }
      var table: [String: Int64] = [:]
      for cell in cells.members {
        guard let number = cell.value.integer, range.contains(number) else { throw fault }
        table[cell.name] = number
      }
      tables[row.name] = table
    }
    return tables
  }

  func finish() throws(ConfigurationError) {
    for member in object.members where !asked.contains(member.name) {
      throw ConfigurationError(name(member.name), .unknown)
    }
  }
}
