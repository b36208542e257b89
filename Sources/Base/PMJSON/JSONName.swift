/// A name of up to 64 bytes, eight to a word, so that it is copied into and compared in words. Of a
/// longer one only the length is right.
@usableFromInline
struct JSONName: Sendable {
  private static let bytesMax = 64

  /// Little-endian; what is behind the name is zero.
  private var words = InlineArray<8, UInt64>(repeating: 0)
  @usableFromInline var length = 0

  /// Adds bytes at the end.
  @inline(__always)
  mutating func append(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
    let kept = min(range.count, Self.bytesMax - length)
    let start = length
    length += range.count
    if kept <= 0 { return }
    let source = bytes.extracting(range.lowerBound..<range.lowerBound + kept)
    // No more is kept than the words have room for.
    unsafe withUnsafeMutableBytes(of: &words) { target in
      unsafe source.withUnsafeBytes {
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[start...]).copyMemory(from: $0)
      }
    }
  }

  /// Becomes a name that equals no other.
  mutating func forget() { length = .max / 2 }

  @usableFromInline
  func equals(_ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard length == count, count <= Self.bytesMax else { return false }
    // Each load lies within the text; behind its last whole word its bytes are put together.
    let start = unsafe UnsafeRawPointer(text.utf8Start)
    var index = 0
    while index &+ 8 <= count {
      let word = unsafe start.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      if words[index >> 3] != UInt64(littleEndian: word) { return false }
      index &+= 8
    }
    if index == count { return true }
    var tail: UInt64 = 0
    for offset in index..<count {
      tail |= UInt64(unsafe text.utf8Start[offset]) << UInt64(8 * (offset - index))
    }
    return words[index >> 3] == tail
  }

  /// `text` is lower case.
  @usableFromInline
  func equals(ignoringCase text: StaticString) -> Bool {
    guard length == text.utf8CodeUnitCount, length <= Self.bytesMax else { return false }
    for index in 0..<length {
      var byte = byte(index)
      if byte &- 0x41 < 26 { byte |= 0x20 }
      if unsafe byte != text.utf8Start[index] { return false }
    }
    return true
  }

  @inline(__always)
  private func byte(_ index: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: words[index >> 3] >> UInt64(8 * (index & 7)))
  }

  /// Tells names apart; each step keeps apart what the words so far kept apart.
  var hash: UInt64 {
    var hash = UInt64(truncatingIfNeeded: length)
    for index in 0..<min(8, (length + 7) / 8) {
      // The prime of FNV-1a, 64 bits; the shift brings the high bits down again.
      hash = (hash ^ words[index]) &* 0x100_0000_01B3
      hash ^= hash >> 32
    }
    return hash
  }
}
