/// The id of an API key, as a log, a table and a path can hold it: 1 to 64 characters of
/// `A-Za-z0-9_-.`, the first no dot.
public struct KeyID: Equatable, Sendable {
  public static let charactersMax = 64
  public let text: String

  public init?(_ text: some StringProtocol) {
    guard (1...Self.charactersMax).contains(text.utf8.count), text.utf8.allSatisfy(Self.allows),
      text.utf8.first != UInt8(ascii: ".")
    else { return nil }
    self.text = String(text)
  }

  private static func allows(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: "-"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }
}
