/// A value that may be logged. The list is closed, and no case can carry text from a request, a
/// file or another process: words are literals of the source.
public enum LogValue: Equatable, Sendable {
  case number(Int64)
  case word(StaticWord)
  /// A request id of ours (UUIDv7).
  case requestID(UInt128)
  /// The public part of an API key: up to 16 characters of the key id's alphabet.
  case keyID(KeyLabel)
  /// The first bytes of a digest.
  case digest(UInt64)
}

/// A literal of the source; it cannot be made at run time.
public struct StaticWord: Equatable, Sendable, ExpressibleByStringLiteral {
  public let text: String
  public init(stringLiteral value: StaticString) { text = value.description }
  public init(_ literal: StaticString) { text = literal.description }
  /// The word of an enum: its words are literals, and it lists them all.
  public init<Closed: CaseIterable & RawRepresentable>(_ value: Closed)
  where Closed.RawValue == String { text = value.rawValue }
}

/// A key id as it may be logged: at most 64 characters of `A-Za-z0-9_-`, anything else is dropped.
public struct KeyLabel: Equatable, Sendable {
  private static let charactersMax = 64
  public let text: String
  public init(_ id: String) {
    let allowed = id.utf8.prefix(Self.charactersMax).filter { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    text = String(decoding: Array(allowed), as: UTF8.self)
  }
}

/// One named value of an event.
public struct LogField: Equatable, Sendable {
  public let name: StaticWord
  public let value: LogValue

  public init(_ name: StaticWord, _ value: LogValue) { (self.name, self.value) = (name, value) }
  public static func number(_ name: StaticWord, _ value: some BinaryInteger) -> LogField {
    LogField(name, .number(Int64(clamping: value)))
  }
  public static func word(_ name: StaticWord, _ value: StaticString) -> LogField {
    LogField(name, .word(StaticWord(value)))
  }
}
