internal import Glibc

/// A growable queue of bytes with one owner: appended at the end, consumed from the front. It owns
/// no memory while empty after `release`, so that an idle connection costs nothing here.
@safe public struct ByteBuffer: ~Copyable {
  private var base: UnsafeMutablePointer<UInt8>?
  private var start = 0
  private var end = 0
  private var capacity = 0

  /// The first allocation; most heads and events fit.
  private static let firstCapacityBytes = 2048

  public init() { unsafe base = nil }

  public init(capacityBytes: Int) {
    unsafe base = nil
    reserve(capacityBytes)
  }

  deinit { unsafe free(base) }

  @inline(__always) public var count: Int { end &- start }
  @inline(__always) public var isEmpty: Bool { end == start }

  /// The queued bytes.
  public var span: Span<UInt8> {
    @_lifetime(borrow self)
    @inline(__always)
    get {
      // The memory lives as long as the borrow of self, and [start, end) was written.
      let bytes = unsafe UnsafeBufferPointer(
        start: base.map { unsafe UnsafePointer($0 + start) }, count: count)
      return unsafe _overrideLifetime(Span(_unsafeElements: bytes), borrowing: self)
    }
  }

  /// Makes room for `additional` bytes past the end.
  @inline(__always)
  public mutating func reserve(_ additional: Int) {
    if end &+ additional > capacity { grow(additional) }
  }

  private mutating func grow(_ additional: Int) {
    if start > 0 {
      // Both ranges lie in the same allocation; memmove allows overlap.
      if let base = unsafe base { unsafe memmove(base, base + start, count) }
      end = count
      start = 0
      if end &+ additional <= capacity { return }
    }
    var size = max(capacity, Self.firstCapacityBytes)
    while size < end &+ additional { size = size &* 2 }
    // realloc keeps the first `capacity` bytes; running out of memory is not survivable here.
    guard let grown = unsafe realloc(base, size) else { abort() }
    unsafe base = grown.assumingMemoryBound(to: UInt8.self)
    capacity = size
  }

  public mutating func append(_ bytes: borrowing Span<UInt8>) {
    let n = bytes.count
    if n == 0 { return }
    reserve(n)
    // reserve made room for n bytes past `end`.
    unsafe bytes.withUnsafeBufferPointer { source in
      if let from = source.baseAddress, let base = unsafe base {
        unsafe memcpy(base + end, from, n)
      }
    }
    end &+= n
  }

  public mutating func append(_ text: StaticString) {
    let n = text.utf8CodeUnitCount
    reserve(n)
    // A static string of more than one scalar points to constant memory of n bytes.
    if let base = unsafe base { unsafe memcpy(base + end, text.utf8Start, n) }
    end &+= n
  }

  /// Disfavored, so that a literal is a constant and not a string made for the purpose.
  @_disfavoredOverload
  public mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { source in
      let n = source.count
      guard n > 0, let from = source.baseAddress else { return }
      reserve(n)
      if let base = unsafe base { unsafe memcpy(base + end, from, n) }
      end &+= n
    }
  }

  public mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

  @inline(__always)
  public mutating func append(byte: UInt8) {
    reserve(1)
    if let base = unsafe base { unsafe base[end] = byte }
    end &+= 1
  }

  public mutating func append(decimal value: Int) {
    if value < 0 { append(byte: UInt8(ascii: "-")) }
    let digits = Self.digits(of: value.magnitude)
    reserve(digits)
    end &+= digits
    guard let base = unsafe base else { return }
    var left = value.magnitude
    // From the last digit to the first, within what was reserved.
    for position in 1...digits {
      let rest = left / 10
      unsafe base[end &- position] = UInt8(truncatingIfNeeded: left &- rest &* 10) &+ 0x30
      left = rest
    }
  }

  @inline(__always)
  private static func digits(of value: UInt) -> Int {
    var (count, bound) = (1, UInt(10))
    // 20 digits are the most, and no bound is that long.
    while count < 20, value >= bound { (count, bound) = (count &+ 1, bound &* 10) }
    return count
  }

  public mutating func append(hex value: Int) {
    var shift = (Int.bitWidth - value.leadingZeroBitCount + 3) / 4 * 4
    if shift == 0 { shift = 4 }
    while shift > 0 {
      shift -= 4
      let digit = UInt8(truncatingIfNeeded: (value >> shift) & 15)
      append(byte: digit < 10 ? digit &+ 0x30 : digit &+ 0x57)
    }
  }

  /// Removes `n` bytes from the front. Memory is kept for the next bytes.
  public mutating func consume(_ n: Int) {
    precondition(n <= count, "more consumed than is there")
    start &+= n
    if start == end { (start, end) = (0, 0) }
  }

  /// Keeps the first `n` bytes only.
  public mutating func truncate(to n: Int) {
    precondition(n <= count, "truncation cannot grow")
    end = start &+ n
  }

  /// Forgets all bytes, keeps the memory.
  public mutating func clear() { (start, end) = (0, 0) }

  /// Forgets all bytes and gives the memory back.
  public mutating func release() {
    unsafe free(base)
    unsafe base = nil
    (start, end, capacity) = (0, 0, 0)
  }

  /// Overwrites the memory before giving it back; for secrets.
  public mutating func wipe() {
    if let base = unsafe base { unsafe explicit_bzero(base, capacity) }
    release()
  }

  /// Lets `fill` write up to `max` bytes past the end; it returns how many it wrote.
  public mutating func fill(
    upTo max: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Int
  ) -> Int {
    reserve(max)
    guard let base = unsafe base else { return 0 }
    let written = unsafe fill(UnsafeMutableRawBufferPointer(start: base + end, count: max))
    if written > 0 { end &+= written }
    return written
  }
}

extension ByteBuffer {
  /// The bytes as text; bytes that are not UTF-8 are replaced.
  public var text: String { String(copying: span) }
  /// A copy of the bytes.
  public var bytes: [UInt8] { Array(copying: span) }
}

extension String {
  /// Copies bytes into a string; bytes that are not UTF-8 are replaced.
  public init(copying bytes: borrowing Span<UInt8>) {
    self = unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }
}

extension Array where Element == UInt8 {
  public init(copying bytes: borrowing Span<UInt8>) {
    self = unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
  }
}
