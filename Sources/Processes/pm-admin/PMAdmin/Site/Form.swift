/// The fields of an `application/x-www-form-urlencoded` body or of a query (WHATWG URL, 5.1). A
/// percent sign without two digits stands for itself, as there.
struct Form: Sendable {
  /// More fields than any form of ours; one name twice, which two readers could take differently.
  enum Fault: Error { case tooManyFields, repeatedField }

  private var values: [String: [UInt8]] = [:]

  static let none = Form()
  private init() {}

  init(_ encoded: some Sequence<UInt8>) throws(Fault) {
    for field in Array(encoded).split(separator: UInt8(ascii: "&")) {
      let equals = field.firstIndex(of: UInt8(ascii: "=")) ?? field.endIndex
      let name = String(decoding: Self.decode(field[..<equals]), as: UTF8.self)
      guard values.count < AdminLimits.formFieldsMax else { throw .tooManyFields }
      guard values[name] == nil else { throw .repeatedField }
      values[name] = Self.decode(field[equals...].dropFirst())
    }
  }

  /// The value as it was sent; for passwords, which may be any bytes.
  func bytes(_ name: String) -> [UInt8]? { values[name] }

  /// The value as text without blanks at both ends; bytes that are not UTF-8 are replaced.
  func text(_ name: String) -> String? {
    guard let bytes = values[name] else { return nil }
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
    guard let first = bytes.firstIndex(where: { !isBlank($0) }),
      let last = bytes.lastIndex(where: { !isBlank($0) })
    else { return "" }
    return String(decoding: bytes[first...last], as: UTF8.self)
  }

  private static func decode(_ encoded: ArraySlice<UInt8>) -> [UInt8] {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(encoded.count)
    var rest = encoded
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "+") {
        decoded.append(0x20)
      } else if byte == UInt8(ascii: "%"), let value = hexadecimal(rest.prefix(2)) {
        decoded.append(value)
        rest = rest.dropFirst(2)
      } else {
        decoded.append(byte)
      }
    }
    return decoded
  }

  private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt8? {
    guard digits.count == 2 else { return nil }
    var value: UInt8 = 0
    for digit in digits {
      switch digit {
      case 0x30...0x39: value = value << 4 | (digit - 0x30)
      case 0x41...0x46: value = value << 4 | (digit - 0x37)
      case 0x61...0x66: value = value << 4 | (digit - 0x57)
      default: return nil
      }
    }
    return value
  }
}
