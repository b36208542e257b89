/// Text and bodies are bytes throughout; Swift strings appear only in messages for people.
typealias Bytes = [UInt8]

extension [UInt8] {
  init(_ text: String) { self = Array(text.utf8) }

  mutating func add(_ text: String) { append(contentsOf: text.utf8) }

  /// The bytes as text, with replacement characters for what is not UTF-8.
  var text: String { String(decoding: self, as: UTF8.self) }

  func isEqual(to text: String) -> Bool { elementsEqual(text.utf8) }

  func isEqualIgnoringCase(_ text: String) -> Bool {
    elementsEqual(text.utf8) { $0.lowered == $1.lowered }
  }

  func starts(with text: String) -> Bool { starts(with: text.utf8) }

  /// Offset of the first occurrence of `pattern` at or after `start`.
  func index(of pattern: Bytes, from start: Int = 0) -> Int? {
    guard let first = pattern.first, count >= pattern.count else { return nil }
    var place = start
    while place <= count - pattern.count {
      guard let hit = self[place...(count - pattern.count)].firstIndex(of: first) else {
        return nil
      }
      if self[hit..<(hit + pattern.count)].elementsEqual(pattern) { return hit }
      place = hit + 1
    }
    return nil
  }

  func splitLines() -> [Bytes] {
    split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).map(Bytes.init)
  }

  /// Without blanks and line ends at either side.
  var trimmed: Bytes {
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0d).contains($0) }
    let head = drop(while: isBlank)
    guard let last = head.lastIndex(where: { !isBlank($0) }) else { return [] }
    return Bytes(head[...last])
  }

  /// At most `limit` bytes, never ending inside a UTF-8 sequence.
  func prefixOfCharacters(_ limit: Int) -> Bytes {
    guard count > limit else { return self }
    var end = limit
    while end > 0 && self[end] & 0xc0 == 0x80 { end -= 1 }
    return Bytes(self[..<end])
  }

  var hexadecimal: String {
    let digits = Bytes("0123456789abcdef")
    var text: Bytes = []
    text.reserveCapacity(count * 2)
    for byte in self {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return text.text
  }

  var base64: Bytes {
    let alphabet = Bytes("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text: Bytes = []
    text.reserveCapacity((count + 2) / 3 * 4)
    var start = 0
    while start < count {
      let taken = Swift.min(3, count - start)
      var group: UInt32 = 0
      for offset in 0..<3 {
        group = group << 8 | (offset < taken ? UInt32(self[start + offset]) : 0)
      }
      for place in 0..<4 {
        let sextet = Int(group >> UInt32(18 - 6 * place) & 63)
        text.append(place <= taken ? alphabet[sextet] : UInt8(ascii: "="))
      }
      start += 3
    }
    return text
  }
}

extension UInt8 {
  /// ASCII letters in lower case, all else unchanged.
  var lowered: UInt8 { (0x41...0x5a).contains(self) ? self + 0x20 : self }
  var isDigit: Bool { (0x30...0x39).contains(self) }

  var hexadecimalDigit: Int? {
    switch self {
    case 0x30...0x39: Int(self) - 0x30
    case 0x41...0x46: Int(self) - 0x37
    case 0x61...0x66: Int(self) - 0x57
    default: nil
    }
  }
}

/// `number` with leading zeros up to `width`.
func padded(_ number: Int, _ width: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
