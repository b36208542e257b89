/// Base64 with the standard alphabet and padding (RFC 4648, section 4).
public enum Base64 {
  private static let form = Base64Form(letter62: "+", letter63: "/", isPadded: true)

  public static func text(_ bytes: borrowing Span<UInt8>) -> String { form.text(bytes) }

  /// Nil unless `text` would write the same letters for these bytes: no blanks, padding in full, no
  /// bits behind the last byte. So two texts never mean one byte string.
  public static func bytes(_ text: String) -> [UInt8]? { form.bytes(text) }
}

/// Base64 with the alphabet for names and URLs, without padding (RFC 4648, section 5).
public enum Base64URL {
  private static let form = Base64Form(letter62: "-", letter63: "_", isPadded: false)

  public static func text(_ bytes: borrowing Span<UInt8>) -> String { form.text(bytes) }

  /// Nil unless `text` would write the same letters for these bytes.
  public static func bytes(_ text: String) -> [UInt8]? { form.bytes(text) }
}

private struct Base64Form {
  private let letter62: UInt8
  private let letter63: UInt8
  private let isPadded: Bool
  private static let padding = UInt8(ascii: "=")

  init(letter62: Unicode.Scalar, letter63: Unicode.Scalar, isPadded: Bool) {
    self.letter62 = UInt8(ascii: letter62)
    self.letter63 = UInt8(ascii: letter63)
    self.isPadded = isPadded
  }

  func text(_ bytes: borrowing Span<UInt8>) -> String {
    var letters: [UInt8] = []
    letters.reserveCapacity((bytes.count + 2) / 3 * 4)
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    for index in bytes.indices {
      bits = bits << 8 | UInt32(bytes[index])
      bitCount += 8
      while bitCount >= 6 {
        bitCount -= 6
        letters.append(letter(bits >> bitCount & 63))
      }
    }
    if bitCount > 0 { letters.append(letter(bits << (6 - bitCount) & 63)) }
    if isPadded {
      while !letters.count.isMultiple(of: 4) { letters.append(Self.padding) }
    }
    return String(decoding: letters, as: UTF8.self)
  }

  func bytes(_ text: String) -> [UInt8]? {
    var letters = Array(text.utf8)[...]
    if isPadded {
      guard letters.count.isMultiple(of: 4) else { return nil }
      // Two at most: behind a third the rest has one letter of a quartet, which no byte gives.
      for _ in 0..<2 where letters.last == Self.padding { letters.removeLast() }
    }
    guard letters.count % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(letters.count / 4 * 3 + 2)
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    for letter in letters {
      guard let value = value(letter) else { return nil }
      bits = bits << 6 | value
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> bitCount))
      }
    }
    return bits & (1 << bitCount - 1) == 0 ? bytes : nil
  }

  private func letter(_ value: UInt32) -> UInt8 {
    let value = UInt8(truncatingIfNeeded: value)
    switch value {
    case 0..<26: return value + UInt8(ascii: "A")
    case 26..<52: return value - 26 + UInt8(ascii: "a")
    case 52..<62: return value - 52 + UInt8(ascii: "0")
    case 62: return letter62
    default: return letter63
    }
  }

  private func value(_ letter: UInt8) -> UInt32? {
    switch letter {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter - UInt8(ascii: "0")) + 52
    case letter62: 62
    case letter63: 63
    default: nil
    }
  }
}
