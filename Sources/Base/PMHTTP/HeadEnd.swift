/// Finds the end of a head in bytes that arrive piece by piece, looking at each byte once.
public struct HeadEnd: Sendable {
  private var searched = 0
  public init() {}

  /// The length of the head with its empty line, or nil while it is incomplete. A head that cannot
  /// end within the bound any more is refused.
  public mutating func find(in bytes: borrowing Span<UInt8>) throws(HTTPError) -> Int? {
    while let feed = bytes.firstOffset(of: 0x0A, from: searched) {
      // A line that ends with LF alone would keep the client waiting for the deadline.
      guard feed > 0, bytes[feed - 1] == 0x0D else { throw .malformedField }
      guard feed >= 3, bytes[feed - 2] == 0x0A else {
        searched = feed + 1
        continue
      }
      guard feed < HTTPLimits.headBytesMax else { throw .headTooLarge }
      searched = 0
      return feed + 1
    }
    guard bytes.count < HTTPLimits.headBytesMax else { throw .headTooLarge }
    searched = bytes.count
    return nil
  }
}
