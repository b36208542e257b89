import PMHTTP
import PMSystem

/// The name of one part of a form, from its head (RFC 7578, 4.2). Refused is whatever some reader
/// could take for another name: a second `Content-Disposition`, a second `name`, escapes in it, and
/// the extended forms `name*` of RFC 2231.
struct FormPartName {
  private(set) var text = ""
  private var position = 0
  private var isNamed = false

  /// `head` are the field lines of the part with the empty line behind them.
  init(head: borrowing Span<UInt8>) throws(BodyFault) {
    guard let fields = try? Fields(lines: head) else { throw .badForm }
    var value: Range<Int>?
    for index in 0..<fields.count
    where head.equals(fields[index].nameRange, ignoringCase: "content-disposition") {
      guard value == nil else { throw .badForm }
      value = fields[index].valueRange
    }
    guard let value else { throw .badForm }
    try read(head.extracting(value))
    guard isNamed else { throw .badForm }
  }

  private mutating func read(_ value: borrowing Span<UInt8>) throws(BodyFault) {
    guard value.equals(token(value), ignoringCase: "form-data") else { throw .badForm }
    skipBlanks(value)
    while position < value.count {
      try take(UInt8(ascii: ";"), value)
      skipBlanks(value)
      try readParameter(value)
      skipBlanks(value)
    }
  }

  private mutating func readParameter(_ value: borrowing Span<UInt8>) throws(BodyFault) {
    let name = token(value)
    try take(UInt8(ascii: "="), value)
    let isQuoted = position < value.count && value[position] == UInt8(ascii: "\"")
    let content = isQuoted ? try quoted(value) : token(value)
    guard !name.isEmpty, isQuoted || !content.isEmpty else { throw .badForm }
    if value.equals(name, ignoringCase: "name") {
      let bytes = value.extracting(content)
      guard !isNamed, bytes.firstOffset(of: UInt8(ascii: "\\")) == nil else { throw .badForm }
      isNamed = true
      text = String(copying: bytes)
    } else if name.count > 4,
      value.equals(name.lowerBound..<name.lowerBound + 5, ignoringCase: "name*")
    {
      throw .badForm
    }
  }

  private mutating func token(_ value: borrowing Span<UInt8>) -> Range<Int> {
    let start = position
    while position < value.count, isTokenByte(value[position]) { position += 1 }
    return start..<position
  }

  /// What stands between two quotes; a backslash takes the next byte with it.
  private mutating func quoted(_ value: borrowing Span<UInt8>) throws(BodyFault) -> Range<Int> {
    position += 1
    let start = position
    while position < value.count {
      switch value[position] {
      case UInt8(ascii: "\""):
        position += 1
        return start..<position - 1
      case UInt8(ascii: "\\"): position += 2
      default: position += 1
      }
    }
    throw .badForm
  }

  private mutating func take(
    _ byte: UInt8, _ value: borrowing Span<UInt8>
  ) throws(BodyFault) {
    guard position < value.count, value[position] == byte else { throw .badForm }
    position += 1
  }

  private mutating func skipBlanks(_ value: borrowing Span<UInt8>) {
    while position < value.count, value[position] == 0x20 || value[position] == 0x09 {
      position += 1
    }
  }
}
