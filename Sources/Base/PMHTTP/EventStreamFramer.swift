/// Finds where server-sent events end (WHATWG HTML, 9.2.5), over any split of the input. A line
/// ends with LF or CR LF; a CR alone, which no vendor sends, is taken as an ordinary byte.
public struct EventStreamFramer: Sendable {
  /// Bytes of the present line so far, without line end and CR.
  private var lineBytes = 0
  private var lastWasReturn = false

  public init() {}

  /// The offset behind the next blank line, looking from `position` on, which moves there; nil when
  /// the event goes on beyond these bytes.
  public mutating func nextEnd(_ bytes: borrowing Span<UInt8>, _ position: inout Int) -> Int? {
    while position < bytes.count {
      guard let feed = bytes.firstOffset(of: 0x0A, from: position) else {
        lastWasReturn = bytes[bytes.count - 1] == 0x0D
        lineBytes += bytes.count - position - (lastWasReturn ? 1 : 0)
        position = bytes.count
        return nil
      }
      var length = lineBytes + feed - position
      if feed > position {
        // A CR that ended the bytes before was not part of a line end after all.
        if lastWasReturn { length += 1 }
        if bytes[feed - 1] == 0x0D { length -= 1 }
      }
      (lineBytes, lastWasReturn) = (0, false)
      position = feed + 1
      if length == 0 { return position }
    }
    return nil
  }
}
