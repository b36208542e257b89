/// Why a document was refused, and where.
public struct JSONError: Error, Equatable, Sendable {
  public enum Reason: Sendable {
    case duplicateName, invalidEscape, invalidName, invalidNumber, invalidUTF8, tooDeep, tooLong
    case trailingBytes, unexpectedByte, unexpectedEnd
  }
  public let reason: Reason
  /// Offset of the offending byte.
  public let offset: Int
}

/// Reads one document into a tree, strictly: duplicate names are errors, and so are names that
/// Unicode calls equal, because a look-up by name could not tell them apart. Comments (`//` to the
/// end of the line, and `/* */`) are read as blanks where the caller allows them, and nothing else
/// deviates from RFC 8259.
public struct JSONReader {
  /// Nesting; enough for any configuration, and far from the end of the stack.
  public static let depthMax = 64
  /// A document of this reader is small: configuration, control lines, key files.
  public static let documentBytesMax = 16 << 20

  private let bytes: [UInt8]
  private let allowsComments: Bool
  private let depthMax: Int
  private var position = 0

  /// Reads bytes that are one document and nothing else. A format that names a smaller nesting than
  /// `depthMax` hands it in; the outermost object or array counts as one.
  public static func read(
    _ bytes: [UInt8], allowsComments: Bool = false, depthMax: Int = depthMax
  ) throws(JSONError) -> JSONValue {
    guard bytes.count <= documentBytesMax else {
      throw JSONError(reason: .tooLong, offset: documentBytesMax)
    }
    var reader = JSONReader(
      bytes: bytes, allowsComments: allowsComments, depthMax: min(depthMax, Self.depthMax))
    try reader.skipBlanks()
    let value = try reader.value(depth: 0)
    try reader.skipBlanks()
    guard reader.position == bytes.count else { throw reader.error(.trailingBytes) }
    return value
  }

  public static func read(
    _ text: String, allowsComments: Bool = false
  ) throws(JSONError) -> JSONValue {
    try read(Array(text.utf8), allowsComments: allowsComments)
  }

  private init(bytes: [UInt8], allowsComments: Bool, depthMax: Int) {
    (self.bytes, self.allowsComments, self.depthMax) = (bytes, allowsComments, depthMax)
  }

  private func error(_ reason: JSONError.Reason) -> JSONError {
    JSONError(reason: reason, offset: position)
  }
  private var byte: UInt8? { position < bytes.count ? bytes[position] : nil }
  private func unexpected() -> JSONError { error(byte == nil ? .unexpectedEnd : .unexpectedByte) }

  private mutating func take(_ expected: Unicode.Scalar) -> Bool {
    guard byte == UInt8(ascii: expected) else { return false }
    position += 1
    return true
  }

  private mutating func skipBlanks() throws(JSONError) {
    while let next = byte {
      switch next {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      case UInt8(ascii: "/") where allowsComments: try skipComment()
      default: return
      }
    }
  }

  private mutating func skipComment() throws(JSONError) {
    position += 1
    if take("/") {
      while let next = byte, next != 0x0A { _ = (next, position += 1) }
    } else if take("*") {
      while true {
        guard byte != nil else { throw error(.unexpectedEnd) }
        if take("*") {
          if take("/") { return }
        } else {
          position += 1
        }
      }
    } else {
      throw unexpected()
    }
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    switch byte {
    case UInt8(ascii: "{"):
      position += 1
      return .object(try object(depth: depth + 1))
    case UInt8(ascii: "["):
      position += 1
      return .array(try array(depth: depth + 1))
    case UInt8(ascii: "\""):
      position += 1
      return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: return try number()
    }
  }

  private mutating func literal(
    _ text: StaticString, _ value: JSONValue
  ) throws(JSONError) -> JSONValue {
    for scalar in text.description.unicodeScalars {
      guard take(scalar) else { throw unexpected() }
    }
    return value
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
    guard depth <= depthMax else { throw error(.tooDeep) }
    var members: [JSONObject.Member] = []
    var names: Set<String> = []
    try skipBlanks()
    if take("}") { return JSONObject() }
    while true {
      guard take("\"") else { throw unexpected() }
      let nameOffset = position
      let name = try string()
      guard names.insert(name).inserted else {
        throw JSONError(reason: .duplicateName, offset: nameOffset)
      }
      try skipBlanks()
      guard take(":") else { throw unexpected() }
      try skipBlanks()
      members.append(JSONObject.Member(name, try value(depth: depth)))
      try skipBlanks()
      if take("}") { return JSONObject(members) }
      guard take(",") else { throw unexpected() }
      try skipBlanks()
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
    guard depth <= depthMax else { throw error(.tooDeep) }
    var values: [JSONValue] = []
    try skipBlanks()
    if take("]") { return values }
    while true {
      values.append(try value(depth: depth))
      try skipBlanks()
      if take("]") { return values }
      guard take(",") else { throw unexpected() }
      try skipBlanks()
    }
  }

  private mutating func string() throws(JSONError) -> String {
    let start = position
    var text: [UInt8] = []
    while let next = byte {
      switch next {
      case UInt8(ascii: "\""):
        position += 1
        guard let string = String(validating: text, as: UTF8.self) else {
          throw JSONError(reason: .invalidUTF8, offset: start)
        }
        return string
      case UInt8(ascii: "\\"):
        position += 1
        text.append(contentsOf: String(Character(try escape())).utf8)
      case 0x00..<0x20: throw error(.unexpectedByte)
      default:
        text.append(next)
        position += 1
      }
    }
    throw error(.unexpectedEnd)
  }

  private mutating func escape() throws(JSONError) -> Unicode.Scalar {
    guard let letter = byte else { throw error(.unexpectedEnd) }
    position += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw error(.invalidEscape)
    }
    let first = try hexWord()
    if let scalar = Unicode.Scalar(first) { return scalar }
    // A high surrogate must be followed by its low half.
    guard (0xD800...0xDBFF).contains(first), take("\\"), take("u") else {
      throw error(.invalidEscape)
    }
    let second = try hexWord()
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw error(.invalidEscape) }
    return scalar
  }

  private mutating func hexWord() throws(JSONError) -> UInt32 {
    var word: UInt32 = 0
    for _ in 0..<4 {
      guard let next = byte, let digit = Character(Unicode.Scalar(next)).hexDigitValue, next < 0x80
      else { throw error(.invalidEscape) }
      word = word << 4 | UInt32(digit)
      position += 1
    }
    return word
  }

  private mutating func digits() throws(JSONError) {
    guard let first = byte, (0x30...0x39).contains(first) else { throw unexpected() }
    while let next = byte, (0x30...0x39).contains(next) { _ = (next, position += 1) }
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    _ = take("-")
    let leadsWithZero = byte == UInt8(ascii: "0")
    let digitsStart = position
    try digits()
    if leadsWithZero, position > digitsStart + 1 { throw error(.invalidNumber) }
    var isInteger = true
    if take(".") {
      isInteger = false
      try digits()
    }
    if take("e") || take("E") {
      isInteger = false
      if !take("+") { _ = take("-") }
      try digits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int64(text) { return .integer(value) }
    return .decimal(text)
  }
}
