/// Our id of one request: a UUID of version 7 (RFC 9562, 5.7), so ids sort by time.
public struct RequestID: Hashable, Comparable, Sendable {
  public let bits: UInt128
  /// Characters of the text form.
  public static let textBytes = 36

  public init(_ bits: UInt128) { self.bits = bits }

  public init(at time: WallTime, random: (UInt64, UInt64)) {
    let milliseconds = UInt128(UInt64(bitPattern: time.microseconds / 1000) & 0xFFFF_FFFF_FFFF)
    let high = UInt128(random.0 & 0x0FFF)
    let low = UInt128(random.1 & 0x3FFF_FFFF_FFFF_FFFF)
    bits = milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low
  }

  public static func < (a: RequestID, b: RequestID) -> Bool { a.bits < b.bits }

  /// When the id was made, to the millisecond.
  public var time: WallTime {
    WallTime(microseconds: Int64(truncatingIfNeeded: bits >> 80) &* 1000)
  }

  /// `0190a5d2-7c3e-7abc-8def-0123456789ab`
  public var text: String {
    var buffer = ByteBuffer(capacityBytes: Self.textBytes)
    write(to: &buffer)
    return buffer.text
  }

  /// Appends the text form.
  public func write(to buffer: inout ByteBuffer) {
    var text = InlineArray<36, UInt8>(repeating: 0x2D)
    var (left, position) = (UInt64(truncatingIfNeeded: bits >> 64), 0)
    for digits in 0..<32 {
      if digits == 16 { left = UInt64(truncatingIfNeeded: bits) }
      // The dashes stay in between.
      if position == 8 || position == 13 || position == 18 || position == 23 { position &+= 1 }
      let digit = UInt8(truncatingIfNeeded: left >> 60)
      text[position] = digit < 10 ? digit &+ 0x30 : digit &+ 0x57
      left <<= 4
      position &+= 1
    }
    buffer.append(text.span)
  }

  /// Reads the text form, lower case; nil if it is anything else.
  public init?(_ text: borrowing Span<UInt8>) {
    guard text.count == Self.textBytes else { return nil }
    var bits: UInt128 = 0
    for index in 0..<Self.textBytes {
      let byte = text[index]
      if index == 8 || index == 13 || index == 18 || index == 23 {
        guard byte == 0x2D else { return nil }
        continue
      }
      switch byte {
      case 0x30...0x39: bits = bits << 4 | UInt128(byte - 0x30)
      case 0x61...0x66: bits = bits << 4 | UInt128(byte - 0x57)
      default: return nil
      }
    }
    guard bits >> 76 & 15 == 7, bits >> 62 & 3 == 0b10 else { return nil }
    self.bits = bits
  }
}
