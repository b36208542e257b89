/// Why a scenario or a control line cannot be taken; the name is that of the field at fault.
enum FieldFault: Error {
  case unreadable
  case notJSON
  case notAnObject
  case unknown(Bytes)
  case badValue(Bytes)

  var text: String {
    switch self {
    case .unreadable: "the file cannot be read"
    case .notJSON: "not JSON"
    case .notAnObject: "not an object"
    case .unknown(let name): "unknown field \(goQuoted(name.text))"
    case .badValue(let name): "bad value of \(goQuoted(name.text))"
    }
  }
}

/// Strict readings of one member: a wrong type is a fault, never a default.
extension JSON.Member {
  var fault: FieldFault { .badValue(name) }

  func text() throws(FieldFault) -> Bytes {
    guard let text = value.string else { throw fault }
    return text
  }

  func truth() throws(FieldFault) -> Bool {
    guard case .bool(let truth) = value else { throw fault }
    return truth
  }

  /// A number from 0 up. `true` stands for `preset`, so that a bare trigger can name a fault.
  func count(preset: Int? = nil) throws(FieldFault) -> Int {
    if let preset, value.isTrue { return preset }
    guard let count = value.integer, count >= 0 else { throw fault }
    return count
  }

  func texts() throws(FieldFault) -> [Bytes] {
    guard case .array(let elements) = value else { throw fault }
    var texts: [Bytes] = []
    for element in elements {
      guard let text = element.string else { throw fault }
      texts.append(text)
    }
    return texts
  }

  /// An object of texts, as header fields.
  func fields() throws(FieldFault) -> [HeaderField] {
    guard value.isObject else { throw fault }
    var fields: [HeaderField] = []
    for member in value.members { fields.append(HeaderField(member.name, try member.text())) }
    return fields
  }
}
