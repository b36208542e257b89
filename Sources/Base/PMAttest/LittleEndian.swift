extension [UInt8] {
  /// The number of `T`'s width at `offset`, lowest byte first, as AMD and the paravisor write. The
  /// caller has checked the length.
  func littleEndian<T: FixedWidthInteger>(_ offset: Int, as type: T.Type = T.self) -> T {
    self[offset..<offset + T.bitWidth / 8].reversed().reduce(0) { $0 << 8 | T($1) }
  }

  /// `count` bytes from `offset`. The caller has checked the length.
  func bytes(_ offset: Int, _ count: Int) -> [UInt8] { [UInt8](self[offset..<offset + count]) }

  /// True if each byte in `range` is zero. The caller has checked the length.
  func isZero(_ range: Range<Int>) -> Bool { self[range].allSatisfy { $0 == 0 } }
}
