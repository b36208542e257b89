import PMJSON
import PMSystem
import PMWire

/// The part of a target behind the question mark, taken apart.
struct ControlQuery: Equatable, Sendable {
  private var values: [String: String] = [:]

  /// Names and values are decoded (RFC 3986, 2.1); of equal names the last one counts. Nil if
  /// something is not UTF-8 or badly escaped.
  init?(_ text: Substring) {
    for pair in text.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = Self.decoded(parts[0]),
        let value = parts.count == 2 ? Self.decoded(parts[1]) : ""
      else { return nil }
      values[name] = value
    }
  }

  subscript(_ name: String) -> String? { values[name] }
  var names: Set<String> { Set(values.keys) }

  /// `name`, `name=1` and `name=true` are true.
  func isSet(_ name: String) -> Bool {
    switch values[name] {
    case "", "1", "true": true
    default: false
    }
  }

  func time(_ name: String) -> WallTime? {
    guard let text = values[name] else { return nil }
    return Int64(text).flatMap { WallTime(json: .integer($0)) } ?? WallTime(json: .string(text))
  }

  private static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var source = text.utf8.makeIterator()
    while let byte = source.next() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = source.next().flatMap(digit), let low = source.next().flatMap(digit) else {
        return nil
      }
      bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
  }
}
