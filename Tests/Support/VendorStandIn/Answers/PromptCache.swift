import PMSystem

/// Which prompt prefixes were seen before, per salt and model, in blocks of 16 tokens.
///
/// As in the model server, a block is known by a hash chained over all blocks before it, so the
/// longest known prefix is the number of leading hashes in the set.
final class PromptCache: Sendable {
  static let blockTokens = 16
  private static let blockBytes = blockTokens * 4
  /// 8 bytes each; when full, all is forgotten at once.
  private static let blocksMax = 1 << 20

  private let known = Guarded(Set<UInt64>())
  /// Salted with the marker: that keeps the marker in the program.
  private let seed: UInt64

  init() {
    let marker = Bytes(String(describing: standInMarker))
    seed = Digest.sha256(marker).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// How many tokens of `prompt` were seen before under that salt; and remembers it.
  func take(_ prompt: Bytes, salt: Bytes, model: Bytes) -> Int {
    var hash = Self.chain(Self.chain(seed, salt[...]), model[...])
    var hashes: [UInt64] = []
    var start = 0
    while start + Self.blockBytes <= prompt.count {
      hash = Self.chain(hash, prompt[start..<(start + Self.blockBytes)])
      hashes.append(hash)
      start += Self.blockBytes
    }
    return known.withLock { known in
      let blocks = hashes.prefix { known.contains($0) }.count
      if known.count + hashes.count > Self.blocksMax { known.removeAll() }
      known.formUnion(hashes.prefix(Self.blocksMax))
      return blocks * Self.blockTokens
    }
  }

  func empty() { known.withLock { $0.removeAll() } }

  /// FNV-1a, 64 bits.
  static func chain(_ start: UInt64, _ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reduce(start ^ 0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
