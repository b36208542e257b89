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

/// The kernel's generator for what must be unpredictable.
public struct KernelRandom: RandomNumberGenerator {
  public init() {}
  public mutating func next() -> UInt64 {
    var value: UInt64 = 0
    while unsafe getrandom(&value, 8, 0) != 8 {}
    return value
  }
}
