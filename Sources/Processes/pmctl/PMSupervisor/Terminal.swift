internal import PMSystem

/// Text for people, at the rim.
public enum Terminal {
  public static func line(_ text: String) { write(text + "\n", to: 1) }
  public static func error(_ text: String) { write(text + "\n", to: 2) }

  private static func write(_ text: String, to number: Int32) {
    FileIO.writeStandard(Array(text.utf8), to: number)
  }
}
