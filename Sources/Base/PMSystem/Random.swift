internal import CLinux

/// Bytes from the kernel's generator (getrandom(2)), which cannot fail once seeded.
public func randomBytes(_ count: Int) -> [UInt8] {
  unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
    var done = 0
    while done < count {
      let n = unsafe getrandom(buffer.baseAddress.map { unsafe $0 + done }, count - done, 0)
      if n > 0 { done += n }
    }
    initialized = count
  }
}

/// The kernel's generator, asked for many words at once: a system call for each would cost more
/// than all else that makes a request id. For ids, not for keys: words wait in memory.
public struct KernelRandom: RandomNumberGenerator {
  private static let wordsAtOnce = 64
  private var words: InlineArray<64, UInt64> = .init(repeating: 0)
  private var used = wordsAtOnce

  public init() {}

  public mutating func next() -> UInt64 {
    if used == Self.wordsAtOnce {
      var span = words.mutableSpan
      // Requests of up to 256 bytes are never cut short (getrandom(2)); longer ones are repeated.
      let bytes = Self.wordsAtOnce * MemoryLayout<UInt64>.size
      while unsafe span.withUnsafeMutableBytes({ unsafe getrandom($0.baseAddress, bytes, 0) })
        != bytes
      {}
      used = 0
    }
    used += 1
    return words[used - 1]
  }
}
