internal import CLinux
internal import Glibc

extension Span where Element == UInt8 {
  /// Offset of the first `byte` at or after `from`; nil if there is none.
  @inline(__always)
  public func firstOffset(of byte: UInt8, from: Int = 0) -> Int? {
    guard from < count else { return nil }
    // memchr reads [from, count) only.
    return unsafe withUnsafeBufferPointer { buffer -> Int? in
      guard let base = buffer.baseAddress,
        let found = unsafe memchr(base + from, Int32(byte), buffer.count - from)
      else { return nil }
      return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
  }

  /// Offset of the first occurrence of `text`, two bytes or more, at or after `from`; nil if there
  /// is none. Meant for texts that begin with a rare pair of bytes: where the pair stands, sixteen
  /// places are looked at one by one.
  public func firstOffset(of text: StaticString, from: Int = 0) -> Int? {
    let length = text.utf8CodeUnitCount
    precondition(length >= 2, "a pair is searched for")
    var place = from
    while place &+ length <= count {
      place = pairBlock(unsafe text.utf8Start[0], unsafe text.utf8Start[1], from: place)
      for start in place..<Swift.min(place &+ 16, Swift.max(place, count &- length &+ 1))
      where equals(start..<start &+ length, text) { return start }
      place &+= 16
    }
    return nil
  }

  /// The start of the first sixteen places at or after `from` where the pair may be; fewer than
  /// seventeen bytes are not looked at.
  @inline(__always)
  private func pairBlock(_ first: UInt8, _ second: UInt8, from: Int) -> Int {
    // Two loads of sixteen bytes, the second one byte further, while seventeen are left.
    unsafe withUnsafeBytes { raw in
      var i = from
      while i &+ 17 <= raw.count {
        let v = unsafe raw.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
        let w = unsafe raw.loadUnaligned(fromByteOffset: i &+ 1, as: SIMD16<UInt8>.self)
        let hits =
          (v .== SIMD16<UInt8>(repeating: first)) .& (w .== SIMD16<UInt8>(repeating: second))
        let halves = unsafe unsafeBitCast(hits, to: SIMD2<UInt64>.self)
        if halves[0] | halves[1] != 0 { return i }
        i &+= 16
      }
      return i
    }
  }

  /// True if `range` holds `text`, which must be lower case, in any letter case.
  @inline(__always)
  public func equals(_ range: Range<Int>, ignoringCase text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    // The literal is as long as the range, which the subscript checks against the span.
    var offset = 0
    while offset < range.count {
      var byte = self[range.lowerBound &+ offset]
      if byte &- 0x41 < 26 { byte |= 0x20 }
      if unsafe byte != text.utf8Start[offset] { return false }
      offset &+= 1
    }
    return true
  }

  /// True if `range` holds exactly `text`.
  @inline(__always)
  public func equals(_ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    var offset = 0
    while offset < range.count {
      if unsafe self[range.lowerBound &+ offset] != text.utf8Start[offset] { return false }
      offset &+= 1
    }
    return true
  }

  /// True if `range`, a token, is `text` in any letter case. `text` is of small letters and dashes,
  /// which no other byte of a token becomes when its fifth bit is set.
  @inline(__always)
  func isToken(_ range: Range<Int>, _ text: StaticString) -> Bool {
    let length = text.utf8CodeUnitCount
    guard range.count == length, range.upperBound <= count else { return false }
    // Loads lie within the range and within the text, which are equally long: words of eight bytes,
    // the last of them ending where the text ends.
    return unsafe withUnsafeBytes { raw in
      func differs<Word: FixedWidthInteger>(at offset: Int, _ mask: Word) -> Bool {
        let said = unsafe raw.loadUnaligned(
          fromByteOffset: range.lowerBound &+ offset, as: Word.self)
        let wanted = unsafe UnsafeRawPointer(text.utf8Start).loadUnaligned(
          fromByteOffset: offset, as: Word.self)
        return said | mask != wanted
      }
      let mask: UInt64 = 0x2020_2020_2020_2020
      var offset = 0
      while offset &+ 8 <= length {
        if differs(at: offset, mask) { return false }
        offset &+= 8
      }
      if offset == length { return true }
      if length > 8 { return !differs(at: length &- 8, mask) }
      while offset < length {
        if differs(at: offset, UInt8(0x20)) { return false }
        offset &+= 1
      }
      return true
    }
  }

  /// An offset up to which, from `from` on, all bytes are letters, digits and dashes, as in usual
  /// names; there may be more of them only within the last fifteen bytes.
  @inline(__always)
  func plainNameEnd(from: Int) -> Int {
    // Sixteen bytes at a time while that many are left, as below.
    unsafe withUnsafeBytes { raw in
      var i = from
      while i &+ 16 <= raw.count {
        let v = unsafe raw.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
        let letter: SIMD16<UInt8> =
          (v | SIMD16<UInt8>(repeating: 0x20)) &- SIMD16<UInt8>(repeating: 0x61)
        let digit: SIMD16<UInt8> = v &- SIMD16<UInt8>(repeating: 0x30)
        let plain =
          (letter .< SIMD16<UInt8>(repeating: 26)) .| (digit .< SIMD16<UInt8>(repeating: 10))
          .| (v .== SIMD16<UInt8>(repeating: 0x2D))
        let halves = unsafe unsafeBitCast(plain, to: SIMD2<UInt64>.self)
        if ~halves[0] != 0 { return i &+ (~halves[0]).trailingZeroBitCount / 8 }
        if ~halves[1] != 0 { return i &+ 8 &+ (~halves[1]).trailingZeroBitCount / 8 }
        i &+= 16
      }
      return i
    }
  }

  /// Offset of the first control byte (under 0x20, or 0x7F) at or after `from`, or `count`.
  @inline(__always)
  func firstControl(from: Int) -> Int {
    // Sixteen bytes at a time while that many are left; vector types are spelled out, because an
    // inferred type compiles to sixteen scalar comparisons.
    unsafe withUnsafeBytes { raw in
      var i = from
      while i &+ 16 <= raw.count {
        let v = unsafe raw.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
        let hits = (v .< SIMD16<UInt8>(repeating: 0x20)) .| (v .== SIMD16<UInt8>(repeating: 0x7F))
        let halves = unsafe unsafeBitCast(hits, to: SIMD2<UInt64>.self)
        if halves[0] != 0 { return i &+ halves[0].trailingZeroBitCount / 8 }
        if halves[1] != 0 { return i &+ 8 &+ halves[1].trailingZeroBitCount / 8 }
        i &+= 16
      }
      while i < raw.count {
        let byte = unsafe raw[i]
        if byte < 0x20 || byte == 0x7F { return i }
        i &+= 1
      }
      return raw.count
    }
  }
}

/// Characters of a token (RFC 9110, 5.6.2), as two bit masks.
@inline(__always)
public func isTokenByte(_ byte: UInt8) -> Bool {
  let low: UInt64 = 0x03FF_6CFA_0000_0000
  let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
  return byte < 128 && (byte < 64 ? low : high) >> UInt64(byte & 63) & 1 != 0
}
