public import PMJSON

/// Text that others wrote, made fit for a terminal: at most 256 bytes, and nothing in it that moves
/// the cursor, turns the direction of writing or is invisible.
public enum PrintableText {
  /// A host name and a path fit; nobody can fill a screen.
  public static let bytesMax = 256
  private static let end = "…"

  public static func of(_ text: String) -> String {
    var printed = ""
    // How much of it fits together with the mark that something is missing.
    var keptBytes = 0
    for scalar in text.unicodeScalars {
      printed += isHarmless(scalar) ? String(scalar) : escape(scalar)
      if printed.utf8.count <= bytesMax - end.utf8.count { keptBytes = printed.utf8.count }
      if printed.utf8.count > bytesMax {
        return String(decoding: printed.utf8.prefix(keptBytes), as: UTF8.self) + end
      }
    }
    return printed
  }

  /// The same for each text and each name of a document.
  public static func of(_ value: JSONValue) -> JSONValue {
    switch value {
    case .string(let text): .string(of(text))
    case .decimal(let text): text.utf8.count <= bytesMax ? value : .string(of(text))
    case .array(let values): .array(values.map { of($0) })
    case .object(let object):
      .object(JSONObject(object.members.map { JSONObject.Member(of($0.name), of($0.value)) }))
    case .null, .bool, .integer: value
    }
  }

  private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate,
      .unassigned:
      false
    default: true
    }
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    "\\u{\(String(scalar.value, radix: 16))}"
  }
}
