internal import CLinux
internal import Glibc

/// An IPv4 or IPv6 address; IPv4 is held in its mapped form (RFC 4291, 2.5.5.2).
public struct InternetAddress: Hashable, Sendable {
  /// The 16 bytes, most significant first.
  public var high: UInt64
  public var low: UInt64

  public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
  public init(v4 bytes: (UInt8, UInt8, UInt8, UInt8)) {
    let word =
      UInt64(bytes.0) << 24 | UInt64(bytes.1) << 16 | UInt64(bytes.2) << 8 | UInt64(bytes.3)
    self.init(high: 0, low: Self.mappedPrefix | word)
  }

  public static let any = InternetAddress(high: 0, low: 0)
  private static let mappedPrefix: UInt64 = 0xFFFF_0000_0000

  public var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }
  public var isLoopback: Bool { isIPv4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1 }

  /// The part that one customer holds: the address for IPv4, the /64 network for IPv6.
  public var subscriber: InternetAddress {
    isIPv4 ? self : InternetAddress(high: high, low: 0)
  }

  init(_ storage: sockaddr_storage) {
    switch Int32(storage.ss_family) {
    case AF_INET:
      let address = read(storage, as: sockaddr_in.self)
      self.init(
        high: 0, low: Self.mappedPrefix | UInt64(UInt32(bigEndian: address.sin_addr.s_addr)))
    case AF_INET6:
      let address = read(storage, as: sockaddr_in6.self)
      let words = unsafe Swift.unsafeBitCast(address.sin6_addr, to: SIMD2<UInt64>.self)
      self.init(high: UInt64(bigEndian: words[0]), low: UInt64(bigEndian: words[1]))
    default: self = .any
    }
  }

  func withSocketAddress(
    port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    if isIPv4 {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr.s_addr = UInt32(truncatingIfNeeded: low).bigEndian
      return unsafe withUnsafePointer(to: address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = port.bigEndian
    let words = SIMD2<UInt64>(high.bigEndian, low.bigEndian)
    address.sin6_addr = unsafe Swift.unsafeBitCast(words, to: in6_addr.self)
    return unsafe withUnsafePointer(to: address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
  }

  /// Reads dotted or colon text (RFC 4291, 2.2); nil if it is neither.
  public init?(_ text: String) {
    // C would read up to the zero and believe that.
    guard !text.utf8.contains(0) else { return nil }
    var bytes = SIMD16<UInt8>()
    let isV4 = unsafe withUnsafeMutableBytes(of: &bytes) {
      unsafe inet_pton(AF_INET, text, $0.baseAddress) == 1
    }
    if isV4 {
      self.init(v4: (bytes[0], bytes[1], bytes[2], bytes[3]))
      return
    }
    let isV6 = unsafe withUnsafeMutableBytes(of: &bytes) {
      unsafe inet_pton(AF_INET6, text, $0.baseAddress) == 1
    }
    guard isV6 else { return nil }
    let words = unsafe Swift.unsafeBitCast(bytes, to: SIMD2<UInt64>.self)
    self.init(high: UInt64(bigEndian: words[0]), low: UInt64(bigEndian: words[1]))
  }

  /// Dotted for IPv4, else eight groups without compression.
  public var text: String {
    if isIPv4 {
      return "\(low >> 24 & 0xFF).\(low >> 16 & 0xFF).\(low >> 8 & 0xFF).\(low & 0xFF)"
    }
    var groups: [String] = []
    for word in [high, low] {
      for shift in stride(from: 48, through: 0, by: -16) {
        groups.append(String(word >> UInt64(shift) & 0xFFFF, radix: 16))
      }
    }
    return groups.joined(separator: ":")
  }
}

/// A network in CIDR notation (RFC 4632).
public struct InternetNetwork: Hashable, Sendable {
  public let address: InternetAddress
  /// Of the 128-bit form: 96 more than written for IPv4.
  public let prefixBits: Int

  /// Reads `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = InternetAddress(String(first)) else { return nil }
    self.address = address
    let widthBits = address.isIPv4 ? 32 : 128
    var bits = widthBits
    if parts.count == 2 {
      guard let written = UInt8(parts[1]), parts[1].first != "+", written <= widthBits else {
        return nil
      }
      bits = Int(written)
    }
    prefixBits = bits + 128 - widthBits
  }

  /// A network of one family holds no address of the other: `::/0` is all of IPv6, not IPv4 in its
  /// mapped form, which nobody who writes it means.
  public func contains(_ other: InternetAddress) -> Bool {
    guard address.isIPv4 == other.isIPv4 else { return false }
    let highMask = prefixBits >= 64 ? UInt64.max : ~(UInt64.max >> UInt64(prefixBits))
    let lowMask =
      prefixBits >= 128
      ? UInt64.max : prefixBits <= 64 ? 0 : ~(UInt64.max >> UInt64(prefixBits - 64))
    return (address.high ^ other.high) & highMask == 0 && (address.low ^ other.low) & lowMask == 0
  }
}

private func read<T>(_ storage: sockaddr_storage, as type: T.Type) -> T {
  // Both socket address structures are smaller than the storage and may lie anywhere in it.
  unsafe withUnsafeBytes(of: storage) { unsafe $0.loadUnaligned(as: type) }
}

extension InternetNetwork {
  /// In CIDR notation.
  public var text: String {
    "\(address.text)/\(address.isIPv4 ? prefixBits - 96 : prefixBits)"
  }
}
