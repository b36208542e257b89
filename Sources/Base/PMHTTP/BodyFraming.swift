/// How much of a body is still to come, whatever its framing. Takes the framing off: what it hands
/// out is payload only.
public struct BodyFraming: Sendable {
  private enum Kind { case length, chunked, untilClose }
  private let kind: Kind
  private var left: Int
  private var chunks = ChunkedDecoder()
  /// True when the last byte of the body was taken. A body that ends with its connection never is.
  public private(set) var isComplete: Bool

  private init(_ kind: Kind, _ left: Int) {
    self.kind = kind
    self.left = left
    isComplete = kind == .length && left == 0
  }

  public static let none = BodyFraming(.length, 0)
  public static func length(_ bytes: Int) -> BodyFraming { BodyFraming(.length, bytes) }
  public static let chunked = BodyFraming(.chunked, 0)
  public static let untilClose = BodyFraming(.untilClose, 0)

  public var endsWithConnection: Bool { kind == .untilClose }
  /// Payload bytes still to come, where that is known.
  public var bytesLeft: Int? { kind == .length ? left : nil }

  /// The next run of payload in `bytes` from `position` on, which moves past what was taken. Nil
  /// when the bytes are used up or the body is complete.
  public mutating func next(
    _ bytes: borrowing Span<UInt8>, _ position: inout Int
  ) throws(HTTPError) -> Range<Int>? {
    guard !isComplete, position < bytes.count else { return nil }
    switch kind {
    case .length:
      let run = position..<min(bytes.count, position + left)
      left -= run.count
      isComplete = left == 0
      position = run.upperBound
      return run
    case .untilClose:
      defer { position = bytes.count }
      return position..<bytes.count
    case .chunked:
      let run = try chunks.next(bytes, &position)
      isComplete = chunks.isComplete
      return run
    }
  }
}
