/// Finds where server-sent events end (WHATWG HTML, 9.2.5), over any split of the input. A line
/// ends with LF or CR LF; a CR alone, which no vendor sends, is taken as an ordinary byte.
public struct EventStreamFramer: Sendable {
  /// Bytes of the present line so far, a CR at its end included.
  private var lineBytes = 0
  private var beginsWithReturn = false

  public init() {}

  /// The offset behind the next blank line, looking from `position` on, which moves there; nil when
  /// the event goes on beyond these bytes.
  public mutating func nextEnd(_ bytes: borrowing Span<UInt8>, _ position: inout Int) -> Int? {
    while position < bytes.count {
      if lineBytes == 0 { beginsWithReturn = bytes[position] == 0x0D }
      guard let feed = bytes.firstOffset(of: 0x0A, from: position) else {
        lineBytes += bytes.count - position
        position = bytes.count
        return nil
      }
      let length = lineBytes + feed - position
      lineBytes = 0
      position = feed + 1
      if length == 0 || (length == 1 && beginsWithReturn) { return position }
    }
    return nil
  }
}
