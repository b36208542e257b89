extension Span where Element == UInt8 {
  /// Offset of the first byte of a JSON string's text that is not plain ASCII: a quote, a
  /// backslash, a control byte or the start of a longer UTF-8 sequence; `count` if there is none.
  @inline(__always)
  func plainTextEnd(from start: Int) -> Int {
    firstHit(from: start) { v in
      // Signed, bytes from 0x80 on are below the blank as well.
      let signed = SIMD16<Int8>(truncatingIfNeeded: v)
      return (v .== SIMD16<UInt8>(repeating: 0x22)) .| (v .== SIMD16<UInt8>(repeating: 0x5C))
        .| (signed .< SIMD16<Int8>(repeating: 0x20))
    } or: { byte in
      byte == 0x22 || byte == 0x5C || byte < 0x20 || byte >= 0x80
    }
  }

  /// Offset of the first bracket, brace or quote, or `count`.
  @inline(__always)
  func bracketOrQuote(from start: Int) -> Int {
    // Setting bit 5 makes one of [ and {, and of ] and }.
    firstHit(from: start) { v in
      let folded = v | SIMD16<UInt8>(repeating: 0x20)
      return (v .== SIMD16<UInt8>(repeating: 0x22)) .| (folded .== SIMD16<UInt8>(repeating: 0x7B))
        .| (folded .== SIMD16<UInt8>(repeating: 0x7D))
    } or: { byte in
      byte == 0x22 || byte | 0x20 == 0x7B || byte | 0x20 == 0x7D
    }
  }

  /// Offset of the first quote or backslash, or `count`.
  @inline(__always)
  func quoteOrEscape(from start: Int) -> Int {
    firstHit(from: start) { v in
      (v .== SIMD16<UInt8>(repeating: 0x22)) .| (v .== SIMD16<UInt8>(repeating: 0x5C))
    } or: { byte in
      byte == 0x22 || byte == 0x5C
    }
  }

  /// Offset of the first byte at or after `start` that the two conditions, which say the same,
  /// hold for. Vector types are spelled out: an inferred one becomes sixteen scalar comparisons.
  @inline(__always)
  private func firstHit(
    from start: Int, _ vector: (SIMD16<UInt8>) -> SIMDMask<SIMD16<Int8>>,
    or single: (UInt8) -> Bool
  ) -> Int {
    // Sixteen bytes are loaded only while that many are left.
    unsafe withUnsafeBytes { raw in
      var i = start
      while i &+ 16 <= raw.count {
        let hits = vector(unsafe raw.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self))
        let halves = unsafe unsafeBitCast(hits, to: SIMD2<UInt64>.self)
        if halves[0] != 0 { return i &+ halves[0].trailingZeroBitCount / 8 }
        if halves[1] != 0 { return i &+ 8 &+ halves[1].trailingZeroBitCount / 8 }
        i &+= 16
      }
      while i < raw.count {
        if single(unsafe raw[i]) { return i }
        i &+= 1
      }
      return raw.count
    }
  }
}

/// Follows one UTF-8 sequence of several bytes (RFC 3629, section 4).
struct UTF8Sequence: Sendable {
  private var left = 0
  /// What the next byte may be; narrower behind some first bytes, against overlong forms,
  /// surrogates and values past U+10FFFF.
  private var low: UInt8 = 0x80
  private var high: UInt8 = 0xBF

  var isWithin: Bool { left > 0 }

  /// False if the byte cannot stand here.
  mutating func take(_ byte: UInt8) -> Bool {
    if left > 0 {
      guard byte >= low, byte <= high else { return false }
      left -= 1
      (low, high) = (0x80, 0xBF)
      return true
    }
    switch byte {
    case 0xC2...0xDF: left = 1
    case 0xE0: (left, low) = (2, 0xA0)
    case 0xED: (left, high) = (2, 0x9F)
    case 0xE1...0xEF: left = 2
    case 0xF0: (left, low) = (3, 0x90)
    case 0xF4: (left, high) = (3, 0x8F)
    case 0xF1...0xF3: left = 3
    default: return false
    }
    return true
  }
}
