/// A JSON value that keeps the order of members and the spelling of numbers.
indirect enum JSON: Sendable {
  case object([Member])
  case array([JSON])
  case text(Bytes)
  case number(Bytes)
  case bool(Bool)
  case null
  /// Bytes that are JSON already.
  case raw(Bytes)

  /// One member of an object; `span` is where its value stood in the text that was read.
  struct Member: Sendable {
    let name: Bytes
    let value: JSON
    var span = 0..<0
  }

  static func int(_ value: Int) -> JSON { .number(Bytes(String(value))) }
  static func text(_ value: String) -> JSON { .text(Bytes(value)) }
  static func optional(_ value: Int?) -> JSON { value.map(JSON.int) ?? .null }
  static func optional(_ value: Bytes?) -> JSON { value.map(JSON.text) ?? .null }

  /// The members of both; for answers with parts that come and go.
  static func + (left: JSON, right: JSON) -> JSON { .object(left.members + right.members) }
}

// MARK: Looking inside

extension JSON {
  var members: [Member] {
    if case .object(let members) = self { members } else { [] }
  }

  var isObject: Bool {
    if case .object = self { true } else { false }
  }

  var isNull: Bool {
    if case .null = self { true } else { false }
  }

  var elements: [JSON] {
    if case .array(let elements) = self { elements } else { [] }
  }

  var string: Bytes? {
    if case .text(let text) = self { text } else { nil }
  }

  var isTrue: Bool {
    if case .bool(true) = self { true } else { false }
  }

  var double: Double? {
    if case .number(let spelling) = self { Double(spelling.text) } else { nil }
  }

  var integer: Int? {
    guard case .number(let spelling) = self else { return nil }
    return Int(spelling.text) ?? Double(spelling.text).flatMap { Int(exactly: $0) }
  }

  /// The first member of that very name.
  func member(_ name: String) -> Member? { members.first { $0.name.isEqual(to: name) } }

  subscript(_ name: String) -> JSON? { member(name)?.value }
}

// MARK: Writing down

extension JSON: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral,
  ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByNilLiteral
{
  init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(elements.map { Member(name: Bytes($0.0), value: $0.1) })
  }
  init(arrayLiteral elements: JSON...) { self = .array(elements) }
  init(stringLiteral value: String) { self = .text(value) }
  init(integerLiteral value: Int) { self = .int(value) }
  init(booleanLiteral value: Bool) { self = .bool(value) }
  init(nilLiteral: ()) { self = .null }
}

extension JSON {
  /// Whose escapes to write: a model server's, or those of Go's `encoding/json`, which also
  /// escapes `<`, `>`, `&` and the two line separators.
  enum Escapes { case plain, go }

  func rendered(_ escapes: Escapes = .plain) -> Bytes {
    var output: Bytes = []
    write(to: &output, escapes)
    return output
  }

  func write(to output: inout Bytes, _ escapes: Escapes = .plain) {
    switch self {
    case .object(let members):
      output.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        Self.write(member.name, to: &output, escapes)
        output.append(UInt8(ascii: ":"))
        member.value.write(to: &output, escapes)
      }
      output.append(UInt8(ascii: "}"))
    case .array(let elements):
      output.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        element.write(to: &output, escapes)
      }
      output.append(UInt8(ascii: "]"))
    case .text(let text): Self.write(text, to: &output, escapes)
    case .number(let bytes), .raw(let bytes): output.append(contentsOf: bytes)
    case .bool(let value): output.add(value ? "true" : "false")
    case .null: output.add("null")
    }
  }

  /// Copies runs of plain bytes, and spells out the rest.
  private static func write(_ text: Bytes, to output: inout Bytes, _ escapes: Escapes) {
    output.append(UInt8(ascii: "\""))
    var start = 0
    while start < text.count {
      var end = start
      while end < text.count, !isSpecial(text[end], escapes) { end += 1 }
      output += text[start..<end]
      guard end < text.count else { break }
      if text[end] == 0xe2 {
        let separator = [0xa8, 0xa9].first { text[end...].starts(with: [0xe2, 0x80, $0]) }
        output += separator.map { Bytes($0 == 0xa8 ? "\\u2028" : "\\u2029") } ?? [0xe2]
        start = end + (separator == nil ? 1 : 3)
      } else {
        output += escape(text[end])
        start = end + 1
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  /// Whether a byte is, or begins, something that may need an escape.
  private static func isSpecial(_ byte: UInt8, _ escapes: Escapes) -> Bool {
    switch byte {
    case 0..<0x20, UInt8(ascii: "\""), UInt8(ascii: "\\"): true
    case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"), 0xe2: escapes == .go
    default: false
    }
  }

  private static func escape(_ byte: UInt8) -> Bytes {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): [UInt8(ascii: "\\"), byte]
    case 0x08: Bytes("\\b")
    case 0x09: Bytes("\\t")
    case 0x0a: Bytes("\\n")
    case 0x0c: Bytes("\\f")
    case 0x0d: Bytes("\\r")
    default: Bytes("\\u00" + [byte].hexadecimal)
    }
  }
}
