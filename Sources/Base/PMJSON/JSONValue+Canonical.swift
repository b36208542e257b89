extension JSONValue {
  /// The document in the one form that equal documents have (RFC 8785): no blanks, members in the
  /// order of their names. For documents without decimals, and with names in ASCII.
  public var canonicalText: String { canonical.text }

  /// The same document with the members of every object in the order of their names.
  public var canonical: JSONValue {
    switch self {
    case .null, .bool, .integer, .decimal, .string: self
    case .array(let values): .array(values.map(\.canonical))
    case .object(let object): .object(object.canonical)
    }
  }
}

extension JSONObject {
  /// The same members in the order of their names, at every level.
  public var canonical: JSONObject {
    JSONObject(
      members
        .map { Member($0.name, $0.value.canonical) }
        .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) })
  }
}
