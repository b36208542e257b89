/// Finds the end of a head in bytes that arrive piece by piece, looking at each byte once.
public struct HeadEnd: Sendable {
  private var searched = 0
  public init() {}

  /// The length of the head with its empty line, or nil while it is incomplete. A head that cannot
  /// end within the bound any more is refused.
  public mutating func find(in bytes: borrowing Span<UInt8>) throws(HTTPError) -> Int? {
    if let found = bytes.firstOffset(of: "\r\n\r\n", from: searched) {
      let length = found + 4
      guard length <= HTTPLimits.headBytesMax else { throw .headTooLarge }
      searched = 0
      return length
    }
    guard bytes.count < HTTPLimits.headBytesMax else { throw .headTooLarge }
    try refuseBareFeed(bytes)
    // The end may be split: look again at the last three bytes.
    searched = max(0, bytes.count - 3)
    return nil
  }

  /// Lines that end with LF alone would keep the client waiting for the deadline.
  private func refuseBareFeed(_ bytes: borrowing Span<UInt8>) throws(HTTPError) {
    var position = searched
    while let feed = bytes.firstOffset(of: 0x0A, from: position) {
      guard feed > 0, bytes[feed - 1] == 0x0D else { throw .malformedField }
      position = feed + 1
    }
  }
}
