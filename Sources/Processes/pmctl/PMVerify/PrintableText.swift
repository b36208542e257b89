/// Text of others on its way to a terminal or into a document of ours.
public enum PrintableText {
  /// Enough for a name or a version; nobody reads more on one line.
  static let bytesMax = 256

  /// The text with everything that could steer a terminal or reorder a line written as `\u{…}`, and
  /// cut where it is longer than `bytesMax`.
  public static func of(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      let piece = isHarmless(scalar) ? String(scalar) : "\\u{\(String(scalar.value, radix: 16))}"
      guard out.utf8.count + piece.utf8.count <= bytesMax else { return out + "…" }
      out += piece
    }
    return out
  }

  private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate,
      .unassigned:
      false
    default: scalar != "\\"
    }
  }
}
