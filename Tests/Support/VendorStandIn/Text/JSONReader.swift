/// Why a text is not JSON (RFC 8259).
enum JSONFault: Error {
  case unexpectedEnd
  case unexpectedByte(UInt8)
  case tooDeep
  case trailingBytes(UInt8)

  /// In the manner of Go's decoder.
  var goText: String {
    switch self {
    case .unexpectedEnd: "unexpected EOF"
    case .tooDeep: "exceeded max depth"
    case .unexpectedByte(let byte):
      "invalid character \(quoted(byte)) looking for beginning of value"
    case .trailingBytes(let byte): "invalid character \(quoted(byte)) after top-level value"
    }
  }

  private func quoted(_ byte: UInt8) -> String {
    byte == UInt8(ascii: "'") ? "'\\''" : "'\(Bytes([byte]).text)'"
  }
}

/// A strict reader: one value, UTF-8, no extras. Recursive descent, bounded by `depthMax`.
struct JSONReader {
  /// Deeper than any request that the appliance lets through, shallow enough for a thread's stack.
  static let depthMax = 256

  private let bytes: Bytes
  private var place = 0

  static func read(_ bytes: Bytes) throws(JSONFault) -> JSON {
    var reader = JSONReader(bytes: bytes)
    let value = try reader.value(depth: 0)
    if let byte = reader.peek() { throw .trailingBytes(byte) }
    return value
  }

  private init(bytes: Bytes) { self.bytes = bytes }

  /// The next byte that is not white space.
  private mutating func peek() -> UInt8? {
    while place < bytes.count {
      switch bytes[place] {
      case 0x20, 0x09, 0x0a, 0x0d: place += 1
      default: return bytes[place]
      }
    }
    return nil
  }

  private mutating func value(depth: Int) throws(JSONFault) -> JSON {
    guard depth < Self.depthMax else { throw .tooDeep }
    guard let byte = peek() else { throw .unexpectedEnd }
    switch byte {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .text(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), 0x30...0x39: return try number()
    default: throw .unexpectedByte(byte)
    }
  }

  private mutating func object(depth: Int) throws(JSONFault) -> JSON {
    place += 1
    var members: [JSON.Member] = []
    if try take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      guard let byte = peek() else { throw .unexpectedEnd }
      guard byte == UInt8(ascii: "\"") else { throw .unexpectedByte(byte) }
      let name = try string()
      guard try take(UInt8(ascii: ":")) else { throw .unexpectedByte(bytes[place]) }
      _ = peek()
      let start = place
      let value = try value(depth: depth + 1)
      members.append(JSON.Member(name: name, value: value, span: start..<place))
      if try take(UInt8(ascii: "}")) { return .object(members) }
      guard try take(UInt8(ascii: ",")) else { throw .unexpectedByte(bytes[place]) }
    }
  }

  private mutating func array(depth: Int) throws(JSONFault) -> JSON {
    place += 1
    var elements: [JSON] = []
    if try take(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      elements.append(try value(depth: depth + 1))
      if try take(UInt8(ascii: "]")) { return .array(elements) }
      guard try take(UInt8(ascii: ",")) else { throw .unexpectedByte(bytes[place]) }
    }
  }

  /// Takes `wanted` if it comes next; the end of the text is an error either way.
  private mutating func take(_ wanted: UInt8) throws(JSONFault) -> Bool {
    guard let byte = peek() else { throw .unexpectedEnd }
    guard byte == wanted else { return false }
    place += 1
    return true
  }

  private mutating func word(_ word: String, _ value: JSON) throws(JSONFault) -> JSON {
    for byte in word.utf8 {
      guard place < bytes.count else { throw .unexpectedEnd }
      guard bytes[place] == byte else { throw .unexpectedByte(bytes[place]) }
      place += 1
    }
    return value
  }

  private mutating func number() throws(JSONFault) -> JSON {
    let start = place
    if bytes[place] == UInt8(ascii: "-") { place += 1 }
    if place < bytes.count, bytes[place] == UInt8(ascii: "0") { place += 1 } else { try digits() }
    if place < bytes.count, bytes[place] == UInt8(ascii: ".") {
      place += 1
      try digits()
    }
    if place < bytes.count, bytes[place].lowered == UInt8(ascii: "e") {
      place += 1
      if place < bytes.count, bytes[place] == 0x2b || bytes[place] == 0x2d { place += 1 }
      try digits()
    }
    return .number(Bytes(bytes[start..<place]))
  }

  private mutating func digits() throws(JSONFault) {
    guard place < bytes.count else { throw .unexpectedEnd }
    guard bytes[place].isDigit else { throw .unexpectedByte(bytes[place]) }
    while place < bytes.count, bytes[place].isDigit { place += 1 }
  }

  private mutating func string() throws(JSONFault) -> Bytes {
    place += 1
    var text: Bytes = []
    while true {
      let start = place
      while place < bytes.count, bytes[place] != 0x22, bytes[place] != 0x5c, bytes[place] >= 0x20 {
        place += 1
      }
      text += bytes[start..<place]
      guard place < bytes.count else { throw .unexpectedEnd }
      let byte = bytes[place]
      place += 1
      switch byte {
      case UInt8(ascii: "\""): return text
      case UInt8(ascii: "\\"): try escape(into: &text)
      default: throw .unexpectedByte(byte)
      }
    }
  }

  private mutating func escape(into text: inout Bytes) throws(JSONFault) {
    guard place < bytes.count else { throw .unexpectedEnd }
    let byte = bytes[place]
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.add(String(try character()))
    default: throw .unexpectedByte(byte)
    }
  }

  /// The character of a `\u` escape, or of a pair; a lone half becomes U+FFFD, as in Go.
  private mutating func character() throws(JSONFault) -> Character {
    let first = try unit()
    if let scalar = Unicode.Scalar(first) { return Character(scalar) }
    let isPaired =
      first < 0xdc00 && place + 1 < bytes.count
      && bytes[place] == UInt8(ascii: "\\") && bytes[place + 1] == UInt8(ascii: "u")
    guard isPaired else { return "\u{fffd}" }
    let afterFirst = place
    place += 2
    let second = try unit()
    guard (0xdc00...0xdfff).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
    else {
      place = afterFirst
      return "\u{fffd}"
    }
    return Character(scalar)
  }

  private mutating func unit() throws(JSONFault) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard place < bytes.count else { throw .unexpectedEnd }
      guard let digit = bytes[place].hexadecimalDigit else { throw .unexpectedByte(bytes[place]) }
      value = value << 4 | UInt32(digit)
      place += 1
    }
    return value
  }
}
