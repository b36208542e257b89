extension JSONValue {
  /// The document on one line, without blanks.
  public var text: String {
    var out = ""
    write(to: &out, indent: nil)
    return out
  }
  /// The document on indented lines, for people.
  public var indentedText: String {
    var out = ""
    write(to: &out, indent: 0)
    return out
  }
  public var utf8: [UInt8] { Array(text.utf8) }

  private func write(to out: inout String, indent: Int?) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .integer(let value): out += String(value)
    case .decimal(let text): out += text
    case .string(let value): Self.write(value, to: &out)
    case .array(let values):
      Self.write(values, "[", "]", indent, to: &out) { value, out, inner in
        value.write(to: &out, indent: inner)
      }
    case .object(let object):
      Self.write(object.members, "{", "}", indent, to: &out) { member, out, inner in
        Self.write(member.name, to: &out)
        out += inner == nil ? ":" : ": "
        member.value.write(to: &out, indent: inner)
      }
    }
  }

  private static func write<Item>(
    _ items: [Item], _ open: String, _ close: String, _ indent: Int?, to out: inout String,
    _ one: (Item, inout String, Int?) -> Void
  ) {
    out += open
    for (index, item) in items.enumerated() {
      if index > 0 { out += "," }
      if let indent { out += "\n" + String(repeating: " ", count: indent + 2) }
      one(item, &out, indent.map { $0 + 2 })
    }
    if let indent, !items.isEmpty { out += "\n" + String(repeating: " ", count: indent) }
    out += close
  }

  /// Writes a string literal; control characters are escaped, as RFC 8259 section 7 demands.
  static func write(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{8}": out += "\\b"
      case "\u{C}": out += "\\f"
      case "\u{0}"..."\u{1F}":
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}
