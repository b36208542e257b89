/// Takes chunked framing off (RFC 9112, 7.1) over any split of the input. Extensions and trailers
/// are dropped, within bounds; line ends must be CR LF.
public struct ChunkedDecoder: Sendable {
  private enum State {
    case size, blank, extensionBytes, sizeLineFeed, data, dataReturn, dataLineFeed
    case trailerStart, trailerLine, trailerLineFeed, finalLineFeed, complete
  }
  private var state = State.size
  private var left = 0
  private var digits = 0
  private var dropped = 0

  public init() {}
  public var isComplete: Bool { state == .complete }

  /// The next run of payload; nil when the bytes are used up or the body is complete.
  public mutating func next(
    _ bytes: borrowing Span<UInt8>, _ position: inout Int
  ) throws(HTTPError) -> Range<Int>? {
    while position < bytes.count {
      if state == .data {
        let run = position..<min(bytes.count, position + left)
        left -= run.count
        if left == 0 { state = .dataReturn }
        position = run.upperBound
        return run
      }
      if state == .complete { return nil }
      try step(bytes[position])
      position += 1
    }
    return nil
  }

  private mutating func step(_ byte: UInt8) throws(HTTPError) {
    switch state {
    case .size: try stepSize(byte)
    case .blank: try endSize(byte)
    case .extensionBytes:
      if byte == 0x0D {
        state = .sizeLineFeed
      } else {
        try drop(byte, HTTPLimits.chunkExtensionBytesMax)
      }
    case .sizeLineFeed:
      guard byte == 0x0A else { throw .malformedChunk }
      (digits, dropped) = (0, 0)
      state = left == 0 ? .trailerStart : .data
    case .dataReturn: try expect(byte, 0x0D, then: .dataLineFeed)
    case .dataLineFeed: try expect(byte, 0x0A, then: .size)
    case .trailerStart:
      if byte == 0x0D {
        state = .finalLineFeed
      } else {
        try drop(byte, HTTPLimits.trailerBytesMax)
        state = .trailerLine
      }
    case .trailerLine:
      if byte == 0x0D {
        state = .trailerLineFeed
      } else {
        try drop(byte, HTTPLimits.trailerBytesMax)
      }
    case .trailerLineFeed: try expect(byte, 0x0A, then: .trailerStart)
    case .finalLineFeed: try expect(byte, 0x0A, then: .complete)
    case .data, .complete: break
    }
  }

  private mutating func stepSize(_ byte: UInt8) throws(HTTPError) {
    var digit = byte &- 0x30
    if digit > 9 {
      digit = (byte | 0x20) &- 0x61
      digit = digit < 6 ? digit &+ 10 : 255
    }
    if digit != 255 {
      guard digits < HTTPLimits.chunkSizeDigitsMax else { throw .malformedChunk }
      left = left << 4 | Int(digit)
      digits += 1
      return
    }
    guard digits > 0 else { throw .malformedChunk }
    dropped = 0
    try endSize(byte)
  }

  /// Behind the digits: blanks, then an extension or the end of the line.
  private mutating func endSize(_ byte: UInt8) throws(HTTPError) {
    switch byte {
    case 0x0D: state = .sizeLineFeed
    case 0x3B: state = .extensionBytes
    case 0x20, 0x09:
      try drop(byte, HTTPLimits.chunkExtensionBytesMax)
      state = .blank
    default: throw .malformedChunk
    }
  }

  private mutating func drop(_ byte: UInt8, _ bound: Int) throws(HTTPError) {
    dropped += 1
    guard dropped <= bound, byte >= 0x20 || byte == 0x09, byte != 0x7F else {
      throw .malformedChunk
    }
  }

  private mutating func expect(_ byte: UInt8, _ wanted: UInt8, then next: State) throws(HTTPError) {
    guard byte == wanted else { throw .malformedChunk }
    state = next
  }
}
