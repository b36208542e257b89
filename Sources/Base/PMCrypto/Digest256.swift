internal import COpenSSL

/// A digest of 256 bits. Equality and hashing are those of numbers, for tables; a secret is
/// confirmed by `matches`, which takes the same time for every pair.
public struct Digest256: Sendable {
  /// Bytes of the digest.
  public static let byteCount = 32

  /// The bytes, eight to a word, in memory order.
  let words: SIMD4<UInt64>

  init(words: SIMD4<UInt64>) { self.words = words }

  /// Nil unless there are exactly 32 bytes.
  public init?(_ bytes: borrowing Span<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    var words = SIMD4<UInt64>()
    // Both are 32 bytes long.
    unsafe withUnsafeMutableBytes(of: &words) { target in
      unsafe bytes.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
    }
    self.words = words
  }

  /// Reads 64 hexadecimal digits of any case; nil if it is anything else.
  public init?(hex text: String) {
    guard let bytes = Hex.bytes(text) else { return nil }
    self.init(bytes.span)
  }

  public var bytes: [UInt8] {
    // Any value may be read as bytes.
    unsafe withUnsafeBytes(of: words) { unsafe Array($0) }
  }
  /// 64 lower-case digits.
  public var hex: String { Hex.text(bytes.span) }

  /// The first eight bytes as a number: enough to recognise a digest, too few to forge one.
  public var prefix: UInt64 { UInt64(bigEndian: words[0]) }

  /// Equality in constant time (CRYPTO_memcmp(3)).
  public func matches(_ other: Digest256) -> Bool {
    // Both values are 32 bytes long.
    unsafe withUnsafeBytes(of: words) { mine in
      unsafe withUnsafeBytes(of: other.words) { theirs in
        unsafe CRYPTO_memcmp(mine.baseAddress, theirs.baseAddress, Self.byteCount) == 0
      }
    }
  }
}

extension Digest256: Hashable {
  public func hash(into hasher: inout Hasher) {
    // The digests of a table are spread evenly already; one word of them tells them apart.
    hasher.combine(words[0])
  }
}

/// Equality of byte strings in a time that depends on their lengths only.
public func equalInConstantTime(
  _ a: borrowing Span<UInt8>, _ b: borrowing Span<UInt8>
) -> Bool {
  guard a.count == b.count else { return false }
  let count = a.count
  return unsafe a.withUnsafeBufferPointer { first in
    unsafe b.withUnsafeBufferPointer { second in
      unsafe CRYPTO_memcmp(first.baseAddress, second.baseAddress, count) == 0
    }
  }
}
